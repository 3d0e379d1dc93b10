"""What a run ends with."""

from __future__ import annotations

import pytest

from pulseq.errors import ExitCode
from pulseq.events import TestClosed
from pulseq.models import Reason, Status
from pulseq.run.exit_code import EXIT_REASONS, code_of_stopped, exit_code_of


def closed(status: Status, reason: Reason | None = None) -> TestClosed:
    return TestClosed("t", "", status, reason, flaky=False, attempts=1)


PASSED = closed(Status.PASSED)
SKIPPED = closed(Status.SKIPPED, Reason.SKIP)
FAILED = closed(Status.FAILED, Reason.ASSERTION)
TIMED_OUT = closed(Status.ERROR, Reason.TIMEOUT)
LOST = closed(Status.ERROR, Reason.NODE_LOST)
HOMELESS = closed(Status.ERROR, Reason.UNSATISFIABLE)
INTERNAL = closed(Status.ERROR, Reason.INTERNAL)
CANCELLED = closed(Status.ERROR, Reason.CANCELLED)


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], ExitCode.NOTHING_TO_RUN),
        ([PASSED], ExitCode.OK),
        ([SKIPPED], ExitCode.OK),
        ([PASSED, FAILED], ExitCode.TESTS_FAILED),
        ([TIMED_OUT, PASSED], ExitCode.TESTS_FAILED),
        ([PASSED, LOST], ExitCode.NO_VERDICT),
        ([HOMELESS, PASSED], ExitCode.NO_VERDICT),
        ([INTERNAL], ExitCode.NO_VERDICT),
        ([PASSED, CANCELLED], ExitCode.NO_VERDICT),
        ([LOST, FAILED], ExitCode.TESTS_FAILED),
    ],
)
def test_the_worst_verdict_decides_the_exit_code(verdicts: list[TestClosed], code: ExitCode) -> None:
    assert exit_code_of(verdicts) is code


@pytest.mark.parametrize(
    ("verdicts", "code"), [([], ExitCode.OK), ([FAILED], ExitCode.TESTS_FAILED), ([LOST], ExitCode.NO_VERDICT)]
)
def test_a_run_that_may_be_without_tests_is_well_without(verdicts: list[TestClosed], code: ExitCode) -> None:
    assert exit_code_of(verdicts, is_well_without=True) is code


@pytest.mark.parametrize("stopped", [ExitCode.INTERNAL_ERROR, ExitCode.NO_VERDICT])
def test_what_tests_said_counts_where_trouble_of_our_own_has_stopped_the_run(stopped: ExitCode) -> None:
    assert code_of_stopped(stopped, [PASSED, FAILED, CANCELLED]) is ExitCode.TESTS_FAILED
    assert code_of_stopped(stopped, [PASSED, LOST, CANCELLED]) is stopped


@pytest.mark.parametrize("stopped", [ExitCode.INTERRUPTED, ExitCode.DEADLINE])
def test_a_run_that_was_meant_to_stop_says_so(stopped: ExitCode) -> None:
    assert code_of_stopped(stopped, [FAILED]) is stopped


def test_every_exit_code_has_its_word() -> None:
    assert (set(EXIT_REASONS), len(set(EXIT_REASONS.values()))) == (set(ExitCode), len(ExitCode))
