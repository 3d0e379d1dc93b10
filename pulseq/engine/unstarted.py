"""Tests that ended without a start, as task runs in a final state: a batch of events in one request, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from pulseq.engine.run_events import tell_events
from pulseq.engine.tasks import task_for
from pulseq.engine.work import shown_name
from pulseq.models import Reason

#: So many in one request: with the longest names and messages still less than a server takes.
_AT_ONCE = 100
_STATE_NAMES = {Reason.UNSATISFIABLE: "Unsatisfiable", Reason.SETUP: "SetupError"}


@dataclass(frozen=True, slots=True)
class UnstartedTest:
    """A test that has its verdict and had no attempt.

    Attributes:
        name: of its task run.
        why: what is said of it.
        at: Unix seconds of its end.
    """

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
        await tell_events([failed_task_run(flow_run_id, test) for test in tests[start : start + _AT_ONCE]])


def failed_task_run(flow_run_id: str, test: UnstartedTest) -> dict[str, Any]:
    """The event from which the server makes a task run, as Prefect's engine tells it of one that has failed."""
    at = datetime.fromtimestamp(test.at, UTC).isoformat()
    task_run, name, why = str(uuid4()), shown_name(test.name), shown_name(test.why)
    state = {"type": "FAILED", "name": _STATE_NAMES.get(test.reason, "Failed"), "message": why}
    return {
        "id": str(uuid4()),
        "occurred": at,
        "event": f"prefect.task-run.{state['name']}",
        "resource": {
            "prefect.resource.id": f"prefect.task-run.{task_run}",
            "prefect.resource.name": name,
            "prefect.run-count": "0",
            "prefect.state-message": why,
            "prefect.state-name": state["name"],
            "prefect.state-timestamp": at,
            "prefect.state-type": state["type"],
            # The states that the server records, and does not decide.
            "prefect.orchestration": "client",
        },
        "related": [{"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}],
        "payload": {
            "intended": {"from": None, "to": state["type"]},
            "initial_state": None,
            "validated_state": {**state, "state_details": {}},
            "task_run": {
                "name": name,
                "task_key": task_for(0, 0.0, None).task_key,
                "dynamic_key": task_run,
                "expected_start_time": at,
                # Else its page says that it goes on.
                "end_time": at,
            },
        },
    }
