from __future__ import annotations

import pytest

from pulseq.errors import ExitCode
from pulseq.events import TestClosed
from pulseq.models import Reason, Status
from pulseq.orchestration.flow_run import ending_of
from pulseq.reports.tally import count_closed

FAILED = TestClosed("a", "", Status.FAILED, Reason.ASSERTION, False, 1)
STOPPED = TestClosed("b", "", Status.ERROR, Reason.CANCELLED, False, 1)


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (ExitCode.OK, "completed", "1 failed, 1 not run"),
        (ExitCode.NOTHING_TO_RUN, "completed", "1 failed, 1 not run"),
        (ExitCode.TESTS_FAILED, "failed", "1 failed, 1 not run"),
        (ExitCode.NO_VERDICT, "failed", "1 failed, 1 not run"),
        (ExitCode.INTERRUPTED, "cancelled", "interrupted: 1 failed, 1 not run"),
        (ExitCode.DEADLINE, "failed", "its deadline has passed: 1 failed, 1 not run"),
    ],
)
def test_the_exit_code_is_the_kind_and_the_verdicts_are_the_words(code: ExitCode, kind: str, message: str) -> None:
    ending = ending_of(code, count_closed([FAILED, STOPPED]))

    assert (kind.upper(), message) == (ending.type.value, ending.message)
