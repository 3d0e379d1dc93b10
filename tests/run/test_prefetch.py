"""What a node is told to follow a dispatch, and what it is not told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.fleet import FrameworkConfig
from pulseq.models import AttemptResult, Body, CommandBody, PytestItemBody, Reason, Status, TestCase
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.from_node import NextAsked
from pulseq.protocol.to_node import NoNext
from pulseq.run.in_flight import DispatchInFlight, InFlight
from pulseq.run.prefetch import Prefetch
from pulseq.run.run_queue import RunQueue
from tests.run.told import Told


class Asking:
    """A node of one slot that has the first of these tests, and asks what follows it; others wait."""

    def __init__(self, *bodies: Body, seconds: float = 0.5) -> None:
        self.in_flight = InFlight()
        self.ledger = Told().ledger()
        self.queue = RunQueue(FrameworkConfig(), granularity="test")
        self.sent: list[tuple[list[str], str]] = []
        self.declined: list[NoNext] = []
        #: What the next questions to busy slots come to.
        self.steals: list[bool] = []
        self.wanted: Callable[[QueuedTest], bool] | None = None
        self.prefetch = Prefetch(
            self.in_flight,
            self.queue,
            self.ledger,
            self._steal,
            self._send,
            lambda _, answer: self.declined.append(answer),
        )
        self.cases = [TestCase(f"t{number}", body, duration=seconds) for number, body in enumerate(bodies)]
        self.queue.node_joined("a", 1, {})
        self._queue(self.cases[0])
        (pick,) = self.queue.picks()
        self.fly("1", pick)
        for case in self.cases[1:]:
            self._queue(case)

    def _queue(self, case: TestCase) -> None:
        self.ledger.plan(case)
        self.queue.add(case)

    def fly(self, key: str, pick: Pick, follows: str | None = None) -> None:
        for test in pick.tests:
            self.ledger.sent(test.key, pick.node_id, key)
        self.in_flight.add(
            key, DispatchInFlight(pick.node_id, {test.key: test for test in pick.tests}, frozenset(), {}, follows)
        )

    def _steal(self, node_id: str, wanted: Callable[[QueuedTest], bool], _now: float) -> bool:
        assert node_id == "a"
        self.wanted = wanted
        return self.steals.pop(0) if self.steals else False

    def _send(self, pick: Pick, key: str) -> None:
        self.sent.append(([test.key[0] for test in pick.tests], key))
        self.fly(f"after {key}", pick, key)

    def ask(self, *, held: str = "1", admitting: bool = True, taken: bool = False) -> bool:
        return self.prefetch.answer("a", NextAsked("1", frozenset(held), taken), admitting=admitting)


def item(name: str = "x", entry: str = "unit") -> PytestItemBody:
    return PytestItemBody(entry, f"test_a.py::{name}")


def test_what_waits_is_sent_to_follow() -> None:
    node = Asking(item(), item())

    node.ask()

    assert ([(["t1"], "1")], []) == (node.sent, node.declined)


def test_where_nothing_waits_the_node_hears_so() -> None:
    node = Asking(item())

    node.ask()

    assert ([], [NoNext("1")]) == (node.sent, node.declined)


def test_who_asks_again_is_not_sent_more() -> None:
    node = Asking(item(), item(), item())

    node.ask()
    node.ask()

    assert ([(["t1"], "1")], []) == (node.sent, node.declined)


@pytest.mark.parametrize("other", [CommandBody(("true",)), item(entry="other")])
def test_what_no_runner_of_the_session_goes_on_with_is_not_promised(other: Body) -> None:
    node = Asking(item(), other)

    node.ask()

    assert ([NoNext("1")], 1) == (node.declined, node.queue.waiting)


def test_what_is_tried_again_is_not_promised() -> None:
    node = Asking(item())
    again = TestCase("again", item("again"), max_retries=1)
    node.ledger.plan(again)
    node.ledger.sent(again.key, "a")
    node.ledger.finish(AttemptResult("again", 1, "a", Status.FAILED, reason=Reason.ASSERTION), in_place=False)
    node.queue.add(again, alone=True)

    node.ask()

    assert ([NoNext("1")], 1) == (node.declined, node.queue.waiting)


def test_nothing_is_promised_once_the_run_is_stopped() -> None:
    node = Asking(item(), item())

    node.ask(admitting=False)

    assert ([NoNext("1")], 1) == (node.declined, node.queue.waiting)


def test_a_node_that_takes_nothing_more_is_promised_nothing() -> None:
    node = Asking(item(), item())
    node.queue.set_open("a", False)

    node.ask()

    assert ([NoNext("1")], 1) == (node.declined, node.queue.waiting)


def test_a_node_that_was_lost_is_promised_nothing() -> None:
    node = Asking(item(), item())
    node.in_flight.lose_node("a")
    node.queue.node_left("a")

    node.ask()

    assert ([], 1) == (node.declined, node.queue.waiting)


def test_a_dispatch_that_is_on_its_way_to_the_node_is_not_overtaken() -> None:
    node = Asking(item(), item(), item())
    node.queue.slot_freed("a")
    node.fly("2", next(node.queue.picks()))

    node.ask()
    assert ([NoNext("1", "2", more=True)], 1) == (node.declined, node.queue.waiting)
    node.ask(held="12")

    assert [(["t2"], "1")] == node.sent


@pytest.mark.parametrize(("seconds", "bodies", "sent"), [(1.0, 2, 1), (2.0, 4, 0), (2.0, 5, 1)])
def test_nothing_is_promised_that_would_wait_longer_than_all_others_work(
    seconds: float, bodies: int, sent: int
) -> None:
    node = Asking(*[item()] * bodies, seconds=seconds)
    node.queue.node_joined("b", 1, {})

    node.ask()

    assert sent == len(node.sent)


def test_where_one_slot_fits_nothing_waits_too_long() -> None:
    node = Asking(item(), item(), seconds=60.0)
    node.queue.node_joined("b", 1, {})
    node.queue.node_left("b")

    node.ask()

    assert [(["t1"], "1")] == node.sent


def test_before_nothing_follows_busy_slots_are_asked_for_what_its_runner_goes_on_with() -> None:
    node = Asking(item(), item(), item(entry="other"))
    node.queue.node_joined("b", 2, {})
    mine, other = node.queue.picks()
    node.fly("2", mine)
    node.fly("3", other)
    node.steals = [True, False]

    assert [False, True] == [node.ask(), node.ask()]

    assert ([], [NoNext("1")]) == (node.sent, node.declined)
    assert node.wanted is not None
    assert [True, False] == [node.wanted(pick.tests[0]) for pick in (mine, other)]


def test_what_a_busy_slot_has_given_back_is_sent_to_follow() -> None:
    node = Asking(item(), item())
    node.queue.node_joined("b", 1, {})
    (pick,) = node.queue.picks()
    node.fly("2", pick)
    node.steals = [True]
    node.ask()

    node.in_flight.land("2")
    node.queue.add_again(pick.tests[0])

    assert (True, [(["t1"], "1")]) == (node.ask(), node.sent)


def test_nobody_is_asked_for_what_would_wait_for_long() -> None:
    node = Asking(item(), item(), seconds=60.0)
    node.queue.node_joined("b", 1, {})
    node.fly("2", next(node.queue.picks()))
    node.steals = [True]

    assert (True, [NoNext("1")]) == (node.ask(), node.declined)


def test_who_asked_and_is_done_meanwhile_hears_nothing() -> None:
    node = Asking(item(), item())
    node.in_flight.land("1")

    assert (True, [], []) == (node.ask(), node.sent, node.declined)


def test_a_slot_that_is_taken_is_sent_nothing_and_hears_whether_more_may_come() -> None:
    node = Asking(item(), item())

    node.ask(taken=True)
    node.ledger.close(("t1", ""), Reason.CANCELLED, "")
    node.ask(taken=True)

    assert ([], [NoNext("1", more=True), NoNext("1")]) == (node.sent, node.declined)


def test_a_follower_that_the_node_has_got_is_no_answer_by_itself() -> None:
    node = Asking(item(), item(), item())
    node.ask()

    node.ask(held="1")
    node.prefetch.answer("a", NextAsked("1", frozenset({"1", "after 1"}), taken=True), admitting=True)

    assert ([(["t1"], "1")], [NoNext("1", more=True)]) == (node.sent, node.declined)


@pytest.mark.parametrize(("begun", "more"), [(0, False), (1, True), (2, False), (3, False)])
def test_a_node_hears_whether_others_have_what_they_may_give_back(begun: int, more: bool) -> None:
    """Where nothing has begun the first two are bound, else the one that comes after what runs."""
    node = Asking(*[item()] * 4 if begun else [item()] * 3)
    node.queue.node_joined("b", 1, {})
    tests = []
    while node.queue.waiting:
        tests += next(node.queue.picks()).tests
        node.queue.slot_freed("b")
    node.fly("2", Pick("b", tuple(tests)))
    for test in tests[:begun]:
        node.in_flight.by_key["2"].begin(test.key)

    node.ask()

    assert [NoNext("1", more=more)] == node.declined


def test_what_waits_for_another_node_does_not_keep_a_session_up() -> None:
    node = Asking(item(), item())
    node.queue.node_joined("a", 1, {})
    waiting = TestCase("chrome", item("chrome"), requirements={"browser": "chrome"})
    node.ask()
    node._queue(waiting)

    node.prefetch.answer("a", NextAsked("after 1", frozenset({"1", "after 1"})), admitting=True)

    assert [NoNext("after 1")] == node.declined
