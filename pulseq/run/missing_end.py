"""What ends a run that has not come to its own end: verdicts for the tests that have none, and the last event."""

from __future__ import annotations

from collections.abc import Iterator

from pulseq.errors import ExitCode
from pulseq.events import Event, RunFinished, TestClosed
from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.run.exit_code import EXIT_REASONS, code_of_stopped


def closing_events(record: RunRecord, code: ExitCode, why: str, now: float) -> Iterator[Event]:
    """The events that are missing at the end of a run; none where it has one, or has never begun.

    Args:
        record: what the run has come to so far.
        code: the exit code of what ended it.
        why: for each test that has no verdict.
        now: seconds since the epoch.
    """
    if record.started is None or record.finished is not None:
        return
    verdicts = [test.closed for test in record.tests.values() if test.closed is not None]
    for key, test in record.tests.items():
        if test.closed is None:
            node_id = test.begun.node_id if test.begun else None
            yield TestClosed(*key, Status.ERROR, Reason.CANCELLED, False, test.last_attempt, node_id, why)
    code = code_of_stopped(code, verdicts)
    yield RunFinished(now, max(now - record.started.started_at, 0.0), int(code), EXIT_REASONS[code])
