"""From verdicts to the exit code of a run and the word for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pulseq.errors import ExitCode, PulseqError
from pulseq.events import TestClosed
from pulseq.models import NO_VERDICT_REASONS, Reason
from pulseq.records import is_own_failure

#: The word that goes with each exit code, in the journal and in `--output json`.
EXIT_REASONS = {
    ExitCode.OK: "passed",
    ExitCode.TESTS_FAILED: "failed",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.INTERNAL_ERROR: "internal_error",
    ExitCode.USAGE_ERROR: "usage_error",
    ExitCode.NOTHING_TO_RUN: "nothing_to_run",
    ExitCode.NO_VERDICT: "no_verdict",
    ExitCode.GATE_FAILED: "gate_failed",
    ExitCode.DEADLINE: "deadline",
}


def exit_code_of(verdicts: Iterable[TestClosed], *, is_well_without: bool = False) -> ExitCode:
    """The exit code that the verdicts of a run that went to its end ask for.

    Args:
        is_well_without: whether it may have had none.
    """
    code = ExitCode.NOTHING_TO_RUN
    for closed in verdicts:
        if is_own_failure(closed):
            return ExitCode.TESTS_FAILED
        if closed.reason in NO_VERDICT_REASONS or closed.reason is Reason.CANCELLED:
            code = ExitCode.NO_VERDICT
        elif code is ExitCode.NOTHING_TO_RUN:
            code = ExitCode.OK
    return ExitCode.OK if code is ExitCode.NOTHING_TO_RUN and is_well_without else code


def code_of_stopped(code: ExitCode, verdicts: Iterable[TestClosed]) -> ExitCode:
    """The exit code of a run that was stopped with this one: what its tests said is worse than trouble of our own."""
    if code in (ExitCode.INTERNAL_ERROR, ExitCode.NO_VERDICT) and any(map(is_own_failure, verdicts)):
        return ExitCode.TESTS_FAILED
    return code


def ending_code(error: BaseException) -> ExitCode:
    """The exit code of a run that an error has ended."""
    if isinstance(error, PulseqError):
        return error.exit_code
    interrupted = isinstance(error, KeyboardInterrupt | asyncio.CancelledError)
    return ExitCode.INTERRUPTED if interrupted else ExitCode.INTERNAL_ERROR


def say_briefly(error: BaseException) -> str:
    """The first line of an error, or its name where it has no words."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
