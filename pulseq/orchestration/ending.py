"""From the exit code and the verdicts of a run to what its flow run says in the end."""

from __future__ import annotations

from pulseq.errors import ExitCode
from pulseq.orchestration.flow_run import FlowRunEnding
from pulseq.reports.tally import Tally


def ending_of(code: ExitCode, tally: Tally) -> FlowRunEnding:
    """What the flow run of a run that ends with this code and these verdicts is to say: as its summary counts them."""
    message = tally.say()
    match code:
        case ExitCode.OK | ExitCode.NOTHING_TO_RUN:
            return FlowRunEnding("completed", message)
        case ExitCode.INTERRUPTED:
            return FlowRunEnding("cancelled", f"interrupted: {message}")
        case ExitCode.DEADLINE:
            return FlowRunEnding("failed", f"its deadline has passed: {message}")
        case _:
            return FlowRunEnding("failed", message)
