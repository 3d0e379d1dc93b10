"""What ends a run that has not come to its own end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import ExitCode
from pulseq.events import AttemptFinished, AttemptStarted, Event, RunFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import RunRecord, fold
from pulseq.run.missing_end import closing_events

STARTED = RunStarted("r1", "shop", 100.0, "0")
WHY = "the run was interrupted by SIGINT"


def _planned(test_id: str) -> TestPlanned:
    return TestPlanned(test_id, "", test_id, "command", "medium")


def _closed(test_id: str, status: Status = Status.PASSED) -> TestClosed:
    return TestClosed(test_id, "", status, None if status is Status.PASSED else Reason.EXIT_CODE, False, 1, "n")


def _close(*events: Event, code: ExitCode = ExitCode.INTERRUPTED) -> list[Event]:
    return list(closing_events(fold(events), code, WHY, 160.0))


def test_what_has_no_verdict_is_not_run_and_the_run_is_finished() -> None:
    failed = AttemptFinished(AttemptResult("again", 1, "n", Status.FAILED, reason=Reason.EXIT_CODE))
    told = [STARTED, *map(_planned, ("done", "runs", "again", "waits")), _closed("done"), failed]

    events = _close(*told, AttemptStarted("runs", "", 2, "n"))

    assert events == [
        TestClosed("runs", "", Status.ERROR, Reason.CANCELLED, False, 2, "n", WHY),
        TestClosed("again", "", Status.ERROR, Reason.CANCELLED, False, 1, None, WHY),
        TestClosed("waits", "", Status.ERROR, Reason.CANCELLED, False, 0, None, WHY),
        RunFinished(160.0, 60.0, 2, "interrupted"),
    ]


def test_a_failure_is_worse_than_trouble_of_our_own() -> None:
    told = [STARTED, _planned("bad"), _closed("bad", Status.FAILED)]

    assert [RunFinished(160.0, 60.0, 1, "failed")] == _close(*told, code=ExitCode.INTERNAL_ERROR)


def test_a_run_that_has_its_end_or_has_never_begun_gets_none() -> None:
    assert [] == _close(_planned("t"))
    assert [] == _close(STARTED, _planned("t"), RunFinished(1.0, 1.0, 2, "interrupted"))


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.sets(st.sampled_from("abcdef")), st.sampled_from(ExitCode))
def test_a_closed_run_has_a_verdict_for_each_test_and_needs_no_second_closing(
    planned: list[str], closed: set[str], code: ExitCode
) -> None:
    record = fold([STARTED, *map(_planned, planned), *(_closed(one) for one in planned if one in closed)])
    _apply(record, code)

    assert record.finished is not None
    assert all(test.closed is not None for test in record.tests.values())
    assert {one for one in closed if one in planned} == {
        test_id for (test_id, _), test in record.tests.items() if test.closed and test.closed.status is Status.PASSED
    }
    assert [] == list(closing_events(record, code, WHY, 170.0))


def _apply(record: RunRecord, code: ExitCode) -> None:
    for event in list(closing_events(record, code, WHY, 160.0)):
        record.apply(event)
