"""What a flow run says in the end of a run inside it."""

from __future__ import annotations

import pytest

from pulseq.errors import ExitCode
from pulseq.events import TestClosed
from pulseq.models import Reason, Status
from pulseq.orchestration.flow_run import ending_of
from pulseq.reports.tally import count_closed

PASSED = TestClosed("t1", "", Status.PASSED, None, False, 1)
FAILED = TestClosed("t2", "", Status.FAILED, Reason.ASSERTION, False, 1)
STOPPED = TestClosed("t3", "", Status.ERROR, Reason.CANCELLED, False, 1)


@pytest.mark.parametrize(
    ("code", "verdicts", "state", "message"),
    [
        (ExitCode.OK, [PASSED], "Completed", "1 passed"),
        (ExitCode.NOTHING_TO_RUN, [], "Completed", "no test has a verdict"),
        (ExitCode.TESTS_FAILED, [PASSED, FAILED], "Failed", "1 failed, 1 passed"),
        (ExitCode.NO_VERDICT, [STOPPED], "Failed", "1 not run"),
        (ExitCode.INTERRUPTED, [PASSED, STOPPED], "Cancelled", "interrupted: 1 passed, 1 not run"),
        (ExitCode.DEADLINE, [STOPPED], "Failed", "its deadline has passed: 1 not run"),
    ],
)
def test_an_ending_has_prefects_own_state(code: ExitCode, verdicts: list[TestClosed], state: str, message: str) -> None:
    told = ending_of(code, count_closed(verdicts))

    assert (state, message) == (told.name, told.message)
