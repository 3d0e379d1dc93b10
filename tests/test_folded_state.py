"""What a run's events come to, read at any place of its journal."""

from __future__ import annotations

import pytest

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    NodeJoined,
    NodeLost,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import RunRecord, TestRecord, fold, is_own_failure

PLANNED = TestPlanned("t", "", "t", "command", "medium")
LOST, LOST_2 = NodeLost("n1", "it was killed"), NodeLost("n2", "it was killed")


def started(attempt: int = 1, node: str = "n1", task_run: str | None = "task") -> AttemptStarted:
    return AttemptStarted("t", "", attempt, node, task_run)


def finished(
    status: Status = Status.PASSED, reason: Reason | None = None, attempt: int = 1, node: str = "n1", **more: bool
) -> AttemptFinished:
    return AttemptFinished(AttemptResult("t", attempt, node, status, reason=reason, **more))  # type: ignore[arg-type]


def lost(attempt: int = 1, node: str = "n1") -> AttemptFinished:
    return finished(Status.ERROR, Reason.NODE_LOST, attempt, node)


UNTOLD = started(task_run=None)


def closed(status: Status, reason: Reason | None = None) -> TestClosed:
    return TestClosed("t", "", status, reason, False, 1, "n1")


def state(*events: Event) -> TestRecord:
    return fold([PLANNED, *events]).tests["t", ""]


@pytest.mark.parametrize(
    ("events", "begun", "last", "following"),
    [
        ([], False, 0, 1),
        ([started()], True, 1, 1),
        ([started(), finished(Status.FAILED, Reason.EXIT_CODE)], False, 1, 2),
        ([started(), finished(Status.FAILED, Reason.EXIT_CODE), started(2)], True, 2, 2),
        ([started(), LOST, lost(), started(2, "n2"), finished()], True, 2, 2),
    ],
)
def test_attempts_are_counted_as_they_begin_and_end(
    events: list[Event], begun: bool, last: int, following: int
) -> None:
    test = state(*events)
    assert (begun, last, following) == (test.begun is not None, test.last_attempt, test.next_attempt)


def test_failures_of_its_own_count_and_lost_attempts_do_not() -> None:
    test = state(started(), lost(), finished(Status.FAILED, Reason.ASSERTION, 2, rerun=True))
    assert (0, True) == (test.failures, test.has_failed)
    test.take(AttemptResult("t", 3, "n1", Status.FAILED, reason=Reason.ASSERTION))
    assert 1 == test.failures


@pytest.mark.parametrize(
    ("events", "losses", "starved", "where"),
    [
        ([started(), LOST, lost()], 1, 0, {"n1"}),
        ([started(), lost()], 0, 1, {"n1"}),
        ([started(), LOST, NodeJoined("n1", "h", 1), lost()], 0, 1, {"n1"}),
        ([LOST, UNTOLD, lost()], 1, 0, {"n1"}),
        ([LOST, UNTOLD, lost(), LOST_2, started(2, "n2", None), lost(2, "n2")], 1, 0, {"n1"}),
        ([LOST, UNTOLD, lost(), started(2, "n2"), LOST_2, lost(2, "n2")], 2, 0, {"n1", "n2"}),
        ([started(), LOST, lost(), lost()], 1, 0, {"n1"}),
        ([started(), closed(Status.ERROR, Reason.CANCELLED), LOST, lost()], 0, 0, set()),
    ],
)
def test_lost_attempts_are_told_from_those_that_a_machine_had_no_memory_for(
    events: list[Event], losses: int, starved: int, where: set[str]
) -> None:
    test = state(*events)
    assert (losses, starved, where) == (test.losses, test.starved, test.lost_on)


def test_open_tests_and_failures_are_counted() -> None:
    record = RunRecord()
    counts = []
    for event in (
        PLANNED,
        PLANNED,
        TestPlanned("u", "", "u", "command", "medium"),
        TestExpanded("u", "", 0),
        closed(Status.PASSED),
        closed(Status.ERROR, Reason.EXCEPTION),
        closed(Status.ERROR, Reason.EXCEPTION),
    ):
        record.apply(event)
        counts.append((record.open, record.failures))
    assert [(1, 0), (1, 0), (2, 0), (1, 0), (0, 0), (0, 1), (0, 1)] == counts


def test_a_fold_goes_on_where_another_has_ended() -> None:
    events = [PLANNED, started(), LOST, lost(), started(2, "n2"), finished(attempt=2, node="n2"), closed(Status.PASSED)]
    whole = fold(events)
    assert [whole] * 8 == [fold(events[end:], fold(events[:end])) for end in range(8)]


@pytest.mark.parametrize(
    ("verdict", "own"),
    [
        (closed(Status.PASSED), False),
        (closed(Status.SKIPPED, Reason.XFAIL), False),
        (closed(Status.FAILED, Reason.ASSERTION), True),
        (closed(Status.ERROR, Reason.TIMEOUT), True),
        (closed(Status.ERROR, Reason.SETUP), True),
        (closed(Status.ERROR, Reason.NODE_LOST), False),
        (closed(Status.ERROR, Reason.UNSATISFIABLE), False),
        (closed(Status.ERROR, Reason.INTERNAL), False),
        (closed(Status.ERROR, Reason.CANCELLED), False),
    ],
)
def test_a_bad_verdict_is_the_tests_own_unless_infrastructure_kept_it(verdict: TestClosed, own: bool) -> None:
    assert is_own_failure(verdict) is own
