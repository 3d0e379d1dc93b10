"""What is asked back when slots are idle, and what becomes of the answers."""

from __future__ import annotations

import pytest

from pulseq.fleet import FrameworkConfig
from pulseq.models import PytestItemBody, TestCase
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.from_node import TestsGivenBack
from pulseq.run.in_flight import DispatchInFlight, InFlight
from pulseq.run.run_queue import RunQueue
from pulseq.run.work_stealing import WorkStealing
from tests.run.told import Told

Asked = list[tuple[str, str, list[str]]]


class Busy:
    """A run with a node `a` of one slot that has all its tests, and a node `b` that comes later."""

    def __init__(
        self, count: int, *, seconds: float = 1.0, granularity: str = "auto", scopes: str = "", ordered: bool = False
    ) -> None:
        self.asked: Asked = []
        self.in_flight = InFlight()
        self.ledger = Told().ledger()
        self.queue = RunQueue(FrameworkConfig(), granularity=granularity)
        self.stealing = WorkStealing(self.in_flight, self.queue, self._note)
        if ordered:
            self.queue.keep_order("unit")
        self.queue.node_joined("a", 1, {})
        self._seconds = seconds
        self._scopes = scopes
        for number in range(count):
            self._add(number)
        self.send(*self.queue.picks())

    def _add(self, number: int) -> None:
        scope = self._scopes[number] if self._scopes else None
        body = PytestItemBody("unit", f"test_a.py::t{number}", scope)
        case = TestCase(f"t{number}", body, duration=self._seconds)
        self.ledger.plan(case)
        self.queue.add(case)

    def send(self, *picks: Pick) -> None:
        for pick in picks:
            key = str(len(self.in_flight.by_key) + 1)
            for test in pick.tests:
                self.ledger.sent(test.key, pick.node_id, key)
            self.in_flight.add(
                key, DispatchInFlight(pick.node_id, {test.key: test for test in pick.tests}, frozenset())
            )

    def begin(self, name: str) -> None:
        dispatch = self.in_flight.carrying(self.ledger.test((name, "")).sent)
        assert dispatch is not None
        dispatch.begin((name, ""))
        self.ledger.start((name, ""), 1, "a", "task")

    def _note(self, key: str, node_id: str, tests: list[tuple[str, str]]) -> None:
        self.asked.append((key, node_id, [test for test, _ in tests]))


def short_run(**options: object) -> Busy:
    run = Busy(4, seconds=0.4, **options)  # type: ignore[arg-type]
    while run.queue.waiting:  # no slot is left for what the first dispatch did not take
        run.queue.slot_freed("a")
        run.send(*run.queue.picks())
    return run


@pytest.mark.parametrize("ordered", [False, True])
def test_what_relies_on_its_order_stays_where_it_is(ordered: bool) -> None:
    run = short_run(ordered=ordered)
    run.begin("t0")
    run.queue.node_joined("b", 1, {})

    run.stealing.look(0.0)
    assert (run.asked == []) == ordered

    run.stealing.take_back("a")  # the node is drained: somebody has to run them
    assert run.asked


def test_while_no_slot_is_idle_nobody_is_asked() -> None:
    run = short_run()

    run.stealing.look(1.0)

    assert run.asked == []


def test_for_an_idle_slot_the_last_tests_of_a_busy_one_are_asked_back() -> None:
    run = short_run()
    run.queue.node_joined("b", 1, {})

    run.stealing.look(1.0)

    assert [name for _, _, names in run.asked for name in names] == ["t2", "t3"]
    assert {node for _, node, _ in run.asked} == {"a"}


def test_what_runs_is_not_asked_back() -> None:
    run = short_run()
    for name in ("t0", "t1", "t2", "t3"):
        run.begin(name)
    run.queue.node_joined("b", 1, {})

    run.stealing.look(1.0)

    assert run.asked == []


def test_a_whole_file_stays_whole() -> None:
    run = short_run(granularity="file")
    run.queue.node_joined("b", 1, {})

    run.stealing.look(1.0)

    assert run.asked == []


@pytest.mark.parametrize(
    ("scopes", "begun", "asked"),
    [
        ("aabb", ["t0"], ["t2", "t3"]),
        ("abbb", ["t0"], ["t1", "t2", "t3"]),
        ("aabb", ["t0", "t1", "t2"], []),
        ("aaaa", ["t0"], []),
        ("aaaa", [], ["t0", "t1", "t2", "t3"]),
    ],
)
def test_a_scope_is_asked_back_as_a_whole_or_not_at_all(scopes: str, begun: list[str], asked: list[str]) -> None:
    run = short_run(scopes=scopes)
    for name in begun:
        run.begin(name)
    run.queue.node_joined("b", 1, {})

    run.stealing.look(1.0)

    assert [name for _, _, names in run.asked for name in names] == asked


def test_a_dispatch_is_asked_once_until_it_has_answered() -> None:
    run = short_run()
    run.queue.node_joined("b", 1, {})

    run.stealing.look(1.0)
    count = len(run.asked)
    run.stealing.look(2.0)

    assert len(run.asked) == count


def test_what_is_given_back_is_queued_again_and_nothing_else() -> None:
    run = short_run()
    run.begin("t0")
    key = next(key for key, dispatch in run.in_flight.by_key.items() if ("t1", "") in dispatch.tests)

    assert [test.key for test in run.stealing.take(TestsGivenBack(key, (("t1", ""),)), run.ledger)] == [("t1", "")]
    assert run.stealing.take(TestsGivenBack(key, (("t1", ""),)), run.ledger) == []


def test_the_answer_of_a_node_that_was_lost_means_nothing() -> None:
    run = short_run()
    keys = list(run.in_flight.by_key)
    run.in_flight.lose_node("a")

    assert run.stealing.take(TestsGivenBack(keys[0], (("t0", ""),)), run.ledger) == []


def test_a_test_that_has_begun_is_not_queued_again_whatever_a_node_says() -> None:
    run = short_run()
    run.begin("t0")

    assert run.stealing.take(TestsGivenBack("1", (("t0", ""),)), run.ledger) == []


def test_what_was_promised_to_a_slot_is_not_asked_back() -> None:
    run = Busy(60, seconds=0.2)
    run.queue.slot_freed("a")
    run.send(*run.queue.picks())
    pick = run.queue.prefetch("a", 0.4, lambda _test: True)
    assert pick is not None
    tests = {test.key: test for test in pick.tests}
    run.in_flight.add("p", DispatchInFlight("a", tests, frozenset(), follows="1"))
    for test in tests:
        run.ledger.sent(test, "a", "p")
    run.queue.withdraw()
    run.queue.node_joined("b", 9, {})

    run.stealing.look(1.0)

    asked = {key: names for key, _, names in run.asked}
    assert "1" not in asked
    assert asked["2"] == [name for name, _ in run.in_flight.by_key["2"].tests]
    _, *others = [name for name, _ in tests]
    assert asked["p"] == others[len(others) - len(asked["p"]) :]


@pytest.mark.parametrize(("granularity", "asked"), [("auto", ["t1", "t2", "t3"]), ("file", [])])
def test_a_node_that_is_drained_is_asked_for_all_that_has_not_begun(granularity: str, asked: list[str]) -> None:
    run = short_run(granularity=granularity)
    run.begin("t0")

    run.stealing.take_back("a")

    assert asked == [test for _, _, tests in run.asked for test in tests]


def test_a_whole_file_that_has_not_begun_is_asked_for_as_a_whole() -> None:
    run = short_run(granularity="file")

    run.stealing.take_back("a")

    assert ["t0", "t1", "t2", "t3"] == [test for _, _, tests in run.asked for test in tests]


def test_for_a_slot_that_is_about_to_run_out_busy_ones_are_asked_once() -> None:
    run = short_run()
    run.queue.node_joined("b", 1, {})

    assert [True, True] == [run.stealing.ask_for("b", lambda test: True, now) for now in (1.0, 1.1)]

    assert ["t2", "t3"] == [name for _, _, names in run.asked for name in names]


@pytest.mark.parametrize("why", ["its runner does not go on with it", "the node takes nothing", "files stay whole"])
def test_nobody_is_asked_for_what_that_slot_cannot_go_on_with(why: str) -> None:
    run = short_run(granularity="file" if why == "files stay whole" else "auto")
    run.queue.node_joined("b", 1, {})
    run.queue.set_open("b", why != "the node takes nothing")

    assert not run.stealing.ask_for("b", lambda test: "runner" not in why, 1.0)

    assert run.asked == []


def test_who_looked_just_now_for_an_idle_slot_asks_for_one_that_runs_out_all_the_same() -> None:
    run = short_run()
    run.queue.node_joined("b", 1, {})
    run.queue.set_open("b", False)
    run.stealing.look(1.0)
    run.queue.set_open("b", True)

    assert run.stealing.ask_for("b", lambda test: True, 1.0)


def test_a_slot_that_is_about_to_run_out_goes_on_with_tests_of_its_own_session_alone() -> None:
    run = short_run()
    run.queue.node_joined("b", 1, {})

    assert run.stealing.ask_for("b", lambda test: test.key[0] == "t3", 1.0)

    assert ["t3"] == [name for _, _, names in run.asked for name in names]
