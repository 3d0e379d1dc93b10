"""The record of a run, folded from its events."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    EntryCollected,
    NodeHealth,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import AttemptResult, Liveness, PytestWarning, Reason, Status
from pulseq.records import fold

PLANNED = TestPlanned("a", "", "a", "call", "medium")
STARTED = AttemptStarted("a", "", 1, "n")


def finished(attempt: int = 1, status: Status = Status.PASSED, **more: object) -> AttemptFinished:
    return AttemptFinished(AttemptResult("a", attempt, "n", status, **more))  # type: ignore[arg-type]


def closed(status: Status = Status.PASSED, reason: Reason | None = None) -> TestClosed:
    return TestClosed("a", "", status, reason, False, 1)


def test_a_run_is_known_by_its_first_start_its_flow_run_and_its_end() -> None:
    start, flow, end = RunStarted("r", "s", 1.0, "0"), PrefectRunKnown("f", None), RunFinished(2.0, 1.0, 0, "passed")

    record = fold([start, RunStarted("other", "s", 5.0, "0"), flow, RunNote("one"), RunNote("two"), end])

    assert (start, flow, end, ["one", "two"]) == (record.started, record.prefect, record.finished, record.notes)


def test_a_test_runs_from_its_start_to_its_result() -> None:
    assert STARTED == fold([PLANNED, STARTED]).tests["a", ""].begun
    assert fold([PLANNED, STARTED, finished()]).tests["a", ""].begun is None


def test_a_later_result_of_an_attempt_takes_the_place_of_the_first() -> None:
    torn_down = finished(1, Status.ERROR, reason=Reason.EXCEPTION)

    (test,) = fold([PLANNED, finished(), closed(), torn_down, closed(Status.ERROR)]).tests.values()

    assert (torn_down.result, Status.ERROR) == (test.last, test.closed and test.closed.status)


@pytest.mark.parametrize("reason", [Reason.NODE_LOST, Reason.CANCELLED])
def test_a_late_result_of_an_attempt_that_was_given_up_does_not_count(reason: Reason) -> None:
    given_up = finished(1, Status.ERROR, reason=reason)

    (test,) = fold([PLANNED, given_up, finished()]).tests.values()

    assert given_up.result == test.last


def test_the_last_attempt_is_that_of_the_highest_number() -> None:
    (test,) = fold([PLANNED, finished(2), finished(1, Status.FAILED)]).tests.values()

    assert test.last is not None
    assert 2 == test.last.attempt


def test_what_is_not_planned_has_no_record() -> None:
    assert {} == fold([STARTED, finished(), closed()]).tests


def test_an_entry_that_became_tests_has_no_record_of_its_own() -> None:
    assert {} == fold([PLANNED, TestExpanded("a", "", 3)]).tests


def test_a_node_that_has_come_back_is_not_absent() -> None:
    joined, lost = NodeJoined("n", "localhost", 1), NodeLost("n", "killed")

    assert {"n"} == fold([joined, lost]).absent
    back = fold([joined, lost, joined])
    assert (set(), [lost]) == (back.absent, back.lost)


def test_a_test_that_passed_against_expectation_is_counted_once_it_is_closed() -> None:
    passed = finished(xpassed="bug 7")

    assert 0 == fold([PLANNED, passed]).xpassed
    assert 1 == fold([PLANNED, passed, closed()]).xpassed
    assert 0 == fold([PLANNED, passed, closed(Status.ERROR)]).xpassed


def test_what_pytest_counts_is_summed_up() -> None:
    again = finished(1, Status.FAILED, rerun=True)
    last = finished(2, subtests={"passed": 2, "failed": 1})
    collected = [EntryCollected("unit", node, 5, deselected=3) for node in ("n1", "n2")]

    record = fold([*collected, PLANNED, again, last])

    assert (3, 1, 2) == (record.deselected, record.reruns, record.subtests_passed)


def test_warnings_of_collection_tests_and_sessions_are_told_with_whose_they_are() -> None:
    one, two, three = (PytestWarning("UserWarning", word) for word in ("one", "two", "three"))

    record = fold(
        [
            SessionFinished("unit", "n", 0, warnings=(three,)),
            PLANNED,
            finished(pytest_warnings=(two,)),
            EntryCollected("unit", "n", 1, warnings=(one,)),
        ]
    )

    assert [("unit", one), ("a", two), ("unit", three)] == list(record.pytest_warnings())


def test_the_last_look_at_a_node_keeps_the_clock_that_an_earlier_one_found() -> None:
    seen = NodeHealth("n", Liveness.ACTIVE, latency=0.1, clock_offset=41.0, clock_uncertainty=0.1)
    gone = NodeHealth("n", Liveness.INACTIVE, "it has left")
    assert fold([seen, gone]).health == {"n": replace(gone, clock_offset=41.0, clock_uncertainty=0.1)}


@pytest.mark.parametrize(
    ("items", "statuses", "expected"),
    [(0, (0,), True), (0, (0, 0), True), (0, (5,), False), (0, (0, 5), False), (3, (0,), False), (0, (), False)],
)
def test_a_run_is_well_without_tests_where_each_pytest_session_that_found_none_says_so(
    items: int, statuses: tuple[int, ...], expected: bool
) -> None:
    sessions = [SessionFinished("unit", f"n{number}", status) for number, status in enumerate(statuses)]
    assert fold([EntryCollected("unit", "n0", items), *sessions]).is_well_without_tests is expected
