"""Final states of many task runs at once, told as a node would have told them: as events, which are recorded together.

To set states one by one takes the API some fifteen milliseconds each, and a server that fell behind misses thousands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State

from pulseq.orchestration.tasks import new_task_run, task_for
from pulseq.protocol.work import shown_name

#: Events in one request: some 500 kB.
_BATCH = 200
#: A server that has recorded nothing new for so long will not.
_STALL_SECONDS = 5.0
_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class MissedState:
    """A task run and the final state that the API is to have of it; its times are seconds since the epoch."""

    id: str
    name: str
    state: State[Any]
    started_at: float | None = None
    ended_at: float | None = None


async def tell_states(
    client: PrefectClient,
    flow_run_id: str,
    missed: Sequence[MissedState],
    count_missing: Callable[[], Awaitable[int]],
) -> None:
    """Send the events, and wait until they are recorded, or nothing new is.

    The API's recorder is fed a batch at a time: it throws away what comes faster than it writes.

    Args:
        count_missing: asks the API how many of these have no final state yet.

    Raises:
        httpx.HTTPError: the API does not answer, or does not take them.
    """
    for start in range(0, len(missed), _BATCH):
        batch = missed[start : start + _BATCH]
        answer = await client._client.post("/events", json=[event_of(one, flow_run_id) for one in batch])
        answer.raise_for_status()
        # The last ones of all are waited for whole; before them there may be a batch on its way.
        spare = len(missed) - start - len(batch)
        await _wait_for_few(count_missing, spare + (_BATCH if spare else 0))


async def _wait_for_few(count_missing: Callable[[], Awaitable[int]], few: int) -> None:
    loop = asyncio.get_running_loop()
    missing, progress_at = await count_missing(), loop.time()
    while missing > few and loop.time() - progress_at < _STALL_SECONDS:
        await asyncio.sleep(_PAUSE_SECONDS)
        before, missing = missing, await count_missing()
        progress_at = loop.time() if missing < before else progress_at


def event_of(missed: MissedState, flow_run_id: str) -> dict[str, Any]:
    """The event of a final state, as the engine of Prefect makes it for its recorder."""
    now = datetime.now(UTC).isoformat()
    state = missed.state
    task = task_for(0, 0.0, None)
    task_run = new_task_run(task, shown_name(missed.name), UUID(missed.id), UUID(flow_run_id))
    fields = {"name", "task_key", "dynamic_key", "task_version", "tags", "empirical_policy", "expected_start_time"}
    told = task_run.model_dump(mode="json", include=fields, exclude_none=True) | _times(missed)
    return {
        "id": str(uuid4()),
        "occurred": now,
        "event": f"prefect.task-run.{state.name}",
        "resource": {
            "prefect.resource.id": f"prefect.task-run.{missed.id}",
            "prefect.resource.name": told["name"],
            "prefect.run-count": "1",
            "prefect.state-message": state.message or "",
            "prefect.state-name": state.name or "",
            "prefect.state-timestamp": now,
            "prefect.state-type": state.type.value,
            "prefect.orchestration": "client",
        },
        "related": [{"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}],
        "payload": {
            "intended": {"from": "RUNNING", "to": state.type.value},
            "initial_state": None,
            "validated_state": {
                "type": state.type.value,
                "name": state.name,
                "message": state.message,
                "state_details": {},
                "data": None,
            },
            "task_run": told,
        },
    }


def _times(missed: MissedState) -> dict[str, Any]:
    if missed.started_at is None or missed.ended_at is None:
        return {"run_count": 1}
    start, end = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in (missed.started_at, missed.ended_at))
    total = max(0.0, missed.ended_at - missed.started_at)
    return {"run_count": 1, "start_time": start, "end_time": end, "total_run_time": total}
