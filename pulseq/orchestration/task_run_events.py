"""States of task runs as the events that Prefect's engine would make of them; the server records them all the same."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State
from prefect.states import Failed

from pulseq.models import Reason
from pulseq.orchestration.task_runs import task_for
from pulseq.protocol.from_node import TaskRunState
from pulseq.protocol.work import shown_name

FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})

Resource = Mapping[str, str]


def event_of(told: TaskRunState, related: Sequence[Resource]) -> dict[str, Any]:
    """The event of a state, as `emit_task_run_state_change_event` of Prefect's engine makes it.

    Args:
        related: what the event belongs to: its flow run, and what that belongs to.
    """
    at = _iso(told.at)
    return {
        "id": str(told.state_id),
        "occurred": at,
        "event": f"prefect.task-run.{told.state}",
        "resource": {
            "prefect.resource.id": f"prefect.task-run.{told.id}",
            "prefect.resource.name": told.name,
            "prefect.run-count": str(told.run_count),
            "prefect.state-message": told.message,
            "prefect.state-name": told.state,
            "prefect.state-timestamp": at,
            "prefect.state-type": told.state_type,
            "prefect.orchestration": "client",
        },
        "related": related,
        "payload": {
            "intended": {"from": told.before[0] if told.before else None, "to": told.state_type},
            "initial_state": _state(*told.before) if told.before else None,
            "validated_state": {**_state(told.state_type, told.state, told.message, told.scheduled_at), "data": None},
            "task_run": _task_run(told),
        },
    }


def _state(kind: str, name: str, message: str = "", scheduled_at: float | None = None) -> dict[str, Any]:
    details = {} if scheduled_at is None else {"scheduled_time": _iso(scheduled_at)}
    return {"type": kind, "name": name, "message": message, "state_details": details}


def _task_run(told: TaskRunState) -> dict[str, Any]:
    times = {
        name: _iso(moment)
        for name, moment in (("start_time", told.started_at), ("end_time", told.ended_at))
        if moment is not None
    }
    return {
        "name": told.name,
        "task_key": task_for(0, 0.0, None).task_key,
        "dynamic_key": str(told.id),
        "tags": [],
        "empirical_policy": {"retries": told.retries, "retry_delay": told.retry_seconds},
        "expected_start_time": _iso(told.started_at or told.at),
        "run_count": told.run_count,
        "flow_run_run_count": 1,
        "total_run_time": told.run_seconds,
        **times,
    }


_REASONS = {Reason.UNSATISFIABLE: "Unsatisfiable", Reason.SETUP: "SetupError"}


def failed_at_once(id: UUID, name: str, reason: Reason, why: str, at: float) -> TaskRunState:
    """The task run that stands for a test without an attempt; it began and ended with the verdict, at `at`."""
    return final_state(id, name, Failed(name=_REASONS.get(reason, "Failed"), message=shown_name(why)), at, at)


def final_state(
    id: UUID, name: str, state: State[Any], started_at: float | None = None, ended_at: float | None = None
) -> TaskRunState:
    """The end of a task run that no engine has told of.

    Args:
        started_at, ended_at: Unix seconds, as far as they are known.
    """
    return TaskRunState(
        id=id,
        name=shown_name(name),
        state_id=uuid4(),
        state_type=state.type.value,
        state=state.name or "",
        message=state.message or "",
        at=time.time(),
        run_count=1,
        before=("RUNNING", "Running"),
        started_at=started_at,
        ended_at=ended_at,
        run_seconds=max(0.0, ended_at - started_at) if started_at is not None and ended_at is not None else 0.0,
    )


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
