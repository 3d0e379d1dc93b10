"""Tests that ended without a start, as task runs in a final state: a batch of events in one request, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Failed

from pulseq.models import Reason
from pulseq.orchestration.missed_states import MissedState, event_of
from pulseq.orchestration.run_events import tell_events
from pulseq.protocol.work import shown_name

#: So many in one request: with the longest names and messages still less than a server takes.
_AT_ONCE = 100
_STATE_NAMES = {Reason.UNSATISFIABLE: "Unsatisfiable", Reason.SETUP: "SetupError"}


@dataclass(frozen=True, slots=True)
class UnstartedTest:
    """A test that has its verdict and had no attempt.

    Attributes:
        id, name: of its task run.
        why: what is said of it.
        at: Unix seconds of its end.
    """

    id: str
    name: str
    reason: Reason
    why: str
    at: float


async def tell_unstarted(flow_run_id: str, tests: Sequence[UnstartedTest]) -> None:
    """Have the API know tests as task runs that have failed.

    Raises:
        InfrastructureError: the API does not take it.
    """
    for start in range(0, len(tests), _AT_ONCE):
        batch = tests[start : start + _AT_ONCE]
        await tell_events([event_of(failed_task_run(test), flow_run_id) for test in batch])


def failed_task_run(test: UnstartedTest) -> MissedState:
    """The task run that stands for a test; it began and ended with the verdict."""
    state: State[Any] = Failed(name=_STATE_NAMES.get(test.reason, "Failed"), message=shown_name(test.why))
    return MissedState(test.id, test.name, state, test.at, test.at)
