"""The ready queue of a run and the decisions about it."""

from __future__ import annotations

import logging

import pytest

from pulseq.fleet import FrameworkConfig, Strategy
from pulseq.models import Priority, PytestItemBody, SimulateBody, TestCase
from pulseq.planning.expected import ExpectedDurations, History
from pulseq.run.run_queue import RunQueue, UnmatchedWatch

CONFIG = FrameworkConfig(node_timeout=10.0, strategy=Strategy.ROUND_ROBIN)


def simulated(test_id: str, *, seconds: float = 1.0, **requirements: str) -> TestCase:
    return TestCase(test_id, SimulateBody(seconds), requirements=requirements)


def items(file: str, count: int) -> list[TestCase]:
    return [TestCase(f"{file}::{number}", PytestItemBody("unit", f"{file}::{number}")) for number in range(count)]


def fill(queue: RunQueue, *cases: TestCase, slots: int = 1) -> RunQueue:
    for case in cases:
        queue.add(case)
    queue.node_joined("a", slots, {"browser": "chrome"})
    return queue


def picked(queue: RunQueue) -> list[list[str]]:
    return [[test.key[0] for test in pick.tests] for pick in queue.picks()]


def test_as_many_are_picked_as_there_are_slots() -> None:
    queue = fill(RunQueue(CONFIG), *map(simulated, "xyz"), slots=2)

    assert [["x"], ["y"]] == picked(queue)
    queue.slot_freed("a")
    assert [["z"]] == picked(queue)


def test_a_closed_node_gets_nothing_until_it_is_open_again() -> None:
    queue = fill(RunQueue(CONFIG), simulated("x"))
    queue.set_open("a", False)
    queue.set_open("unknown", False)
    assert [] == picked(queue)
    queue.set_open("a", True)

    assert [["x"]] == picked(queue)


def test_what_failed_before_goes_first() -> None:
    first = RunQueue(CONFIG, failed_first=frozenset({"y"}))

    assert [["y"]] == picked(fill(first, simulated("x"), simulated("y")))


def test_short_items_of_a_file_share_a_dispatch() -> None:
    assert [["f::0", "f::1"]] == [one[:2] for one in picked(fill(RunQueue(CONFIG), *items("f", 40)))]


def test_each_item_goes_alone_where_that_is_asked_for() -> None:
    queue = fill(RunQueue(CONFIG, granularity="test"), *items("f", 2), slots=5)

    assert [["f::0"], ["f::1"]] == picked(queue)


def test_a_whole_file_goes_at_once_where_that_is_asked_for() -> None:
    queue = fill(RunQueue(CONFIG, granularity="file"), *items("f", 300), slots=5)

    assert [300] == [len(one) for one in picked(queue)]


def test_an_item_that_is_known_to_be_long_goes_alone() -> None:
    queue = RunQueue(CONFIG)
    queue.expected = ExpectedDurations(History({("f::0", ""): 5.0}))

    assert ["f::0"] in picked(fill(queue, *items("f", 2), slots=5))


def scoped(file: str, count: int, scope: str) -> list[TestCase]:
    bodies = [PytestItemBody("unit", f"{file}::{number}", scope) for number in range(count)]
    return [TestCase(body.nodeid, body) for body in bodies]


@pytest.mark.parametrize("granularity", ["auto", "file"])
def test_a_scope_goes_at_once_however_long_its_items_are(granularity: str) -> None:
    queue = RunQueue(CONFIG, granularity=granularity)
    queue.expected = ExpectedDurations(History({("f::0", ""): 5.0, ("f::1", ""): 0.5}))

    picks = picked(fill(queue, *scoped("f", 3, "db"), *scoped("g", 2, "db"), slots=5))

    assert [["f::0", "f::1", "f::2", "g::0", "g::1"]] == picks


def test_a_scope_is_no_bond_where_each_item_is_to_go_alone() -> None:
    queue = fill(RunQueue(CONFIG, granularity="test"), *scoped("f", 2, "db"), slots=5)

    assert [["f::0"], ["f::1"]] == picked(queue)


def test_a_scope_does_not_hold_what_is_tried_again() -> None:
    queue = RunQueue(CONFIG)
    again, *others = scoped("f", 3, "db")
    queue.add(again, alone=True)

    assert ["f::0"] in picked(fill(queue, *others, slots=5))


def test_a_scope_of_which_one_failed_before_goes_first_as_a_whole() -> None:
    queue = RunQueue(CONFIG, failed_first=frozenset({"g::1"}))

    assert [["g::0", "g::1"]] == picked(fill(queue, simulated("x"), *scoped("g", 2, "g"), slots=1))


def test_on_one_slot_a_long_item_stays_between_its_neighbours() -> None:
    queue = RunQueue(FrameworkConfig())
    queue.expected = ExpectedDurations(History({("f::1", ""): 5.0, ("f::0", ""): 0.1, ("f::2", ""): 3.0}))
    fill(queue, *items("f", 4))
    numbers: list[str] = []
    while queue.waiting:
        numbers += [name for names in picked(queue) for name in names]
        queue.slot_freed("a")

    assert ["f::0", "f::1", "f::2", "f::3"] == numbers


def test_a_test_that_never_fitted_ends_at_once() -> None:
    queue = fill(RunQueue(CONFIG), simulated("x"), simulated("y", browser="firefox"))

    assert [("y", "")] == queue.withdraw_unmatched(100.0)
    assert [["x"]] == picked(queue)


def test_a_test_whose_node_has_left_waits_for_another() -> None:
    queue = fill(RunQueue(CONFIG), simulated("x"))
    queue.node_left("a")

    assert ([], 10.0) == (queue.withdraw_unmatched(100.0), queue.seconds_left(100.0))
    assert [("x", "")] == queue.withdraw_unmatched(110.0)


def test_a_test_that_comes_when_its_node_has_left_waits_for_another_too() -> None:
    queue = fill(RunQueue(CONFIG))
    queue.node_left("a")
    queue.add(simulated("x", browser="chrome"))
    queue.add(simulated("never", browser="firefox"))

    assert ([("never", "")], 10.0) == (queue.withdraw_unmatched(100.0), queue.seconds_left(100.0))
    queue.node_joined("a", 1, {"browser": "chrome"})
    assert [["x"]] == picked(queue)


def test_what_is_withdrawn_is_not_picked() -> None:
    queue = fill(RunQueue(CONFIG), simulated("x"))
    queue.withdraw()

    assert [] == picked(queue)


def test_priority_counts_above_all() -> None:
    low = TestCase("low", SimulateBody(100.0), priority=Priority.LOW)
    critical = TestCase("critical", SimulateBody(1.0), priority=Priority.CRITICAL)

    assert [["critical"]] == picked(fill(RunQueue(CONFIG), low, simulated("medium"), critical))


def test_each_decision_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pulseq")
    queue = RunQueue(CONFIG)
    queue.node_joined("b", 1, {"browser": "firefox"})
    picked(fill(queue, simulated("x", browser="chrome"), simulated("y", browser="chrome")))

    assert [
        "x to a: it has browser=chrome and a free slot, now 1 of 1 taken (round_robin); "
        "not b: wants browser=chrome, has browser=firefox",
        "1 test that wants browser=chrome waits for a free slot of a",
    ] == caplog.messages


def test_what_no_node_ever_fitted_is_due_at_once() -> None:
    watch = UnmatchedWatch(60.0)

    assert watch.due(["browser"], now=100.0) == ["browser"]
    assert watch.seconds_left(now=100.0) is None


def test_what_has_lost_its_node_waits_for_one_to_come_back() -> None:
    watch = UnmatchedWatch(60.0)
    watch.note_fit("browser")

    assert watch.due(["browser"], now=100.0) == []
    assert watch.seconds_left(now=130.0) == 30.0
    assert watch.due(["browser"], now=159.9) == []
    assert watch.due(["browser"], now=160.0) == ["browser"]


def test_a_node_that_came_back_starts_the_wait_anew() -> None:
    watch = UnmatchedWatch(60.0)
    watch.note_fit("browser")
    watch.due(["browser"], now=100.0)

    assert watch.due([], now=150.0) == []
    assert watch.seconds_left(now=150.0) is None
    assert watch.due(["browser"], now=170.0) == []


def test_what_begins_to_wait_is_told_once() -> None:
    watch = UnmatchedWatch(60.0)
    watch.note_fit("browser")
    watch.due(["browser", "never"], now=100.0)

    assert ["browser"] == watch.take_begun()
    watch.due(["browser"], now=101.0)
    assert [] == watch.take_begun()
    watch.due([], now=102.0)
    watch.due(["browser"], now=103.0)
    assert ["browser"] == watch.take_begun()
