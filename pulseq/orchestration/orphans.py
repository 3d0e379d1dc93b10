"""Task runs whose node died under them: at the API they would be `Running` for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from pulseq.orchestration.api_access import access_headers
from pulseq.orchestration.tasks import task_for
from pulseq.protocol.work import shown_name

#: A batch of the recorder is written every second; what it has not got after a few will not come.
PATIENCE_SECONDS = 4.0
_POLL_SECONDS = 0.2
#: The most that the API returns of a filter at once.
_PAGE = 200
_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_NODE_LOST = {"type": "CRASHED", "name": "NodeLost", "message": "its node was lost"}


@dataclass(frozen=True, slots=True)
class OrphanRun:
    """A task run that was on a lost node.

    Attributes:
        under_way: its node had begun it and was lost before it ended. Of one that may not have
            begun, or that had just ended, what the API knows decides.
    """

    id: UUID
    name: str
    under_way: bool


async def end_orphans(
    url: str, flow_run_id: str, orphans: Iterable[OrphanRun], *, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Give every orphan a final state.

    States come to the API as events, recorded a second or more later, so it is asked again for a while.
    One that was under way and that it never hears of is made there: its events may come later still,
    and would then be older than the state that it has. It is asked as Prefect's client in this context would ask it.
    """
    left = {str(orphan.id): orphan for orphan in orphans}
    if not left:
        return
    deadline = asyncio.get_running_loop().time() + patience_seconds
    # An API that does not answer is told of elsewhere.
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=10.0, base_url=url, headers=access_headers()) as client:
            while left and asyncio.get_running_loop().time() < deadline:
                await _end_known(client, left, hasty=False)
                await asyncio.sleep(_POLL_SECONDS if left else 0)
            await _end_known(client, left, hasty=True)
            for orphan in left.values():
                if orphan.under_way:
                    await client.post("/task_runs/", json=_ended_run(orphan, flow_run_id))


async def _end_known(client: httpx.AsyncClient, left: dict[str, OrphanRun], *, hasty: bool) -> None:
    """End those that the API knows, and take them off the list; only what was under way unless `hasty`."""
    for known, state_type in [pair async for pair in _states(client, left)]:
        if state_type not in _FINAL:
            if not (hasty or left[known].under_way):
                continue
            await client.post(f"/task_runs/{known}/set_state", json={"state": _NODE_LOST, "force": True})
        del left[known]


async def _states(client: httpx.AsyncClient, ids: Iterable[str]) -> AsyncIterator[tuple[str, str]]:
    for page in _pages(ids):
        answer = await client.post("/task_runs/filter", json={"task_runs": {"id": {"any_": page}}, "limit": _PAGE})
        for found in answer.raise_for_status().json():
            yield found["id"], found["state_type"]


def _pages(ids: Iterable[str]) -> Iterator[list[str]]:
    ordered = list(ids)
    for start in range(0, len(ordered), _PAGE):
        yield ordered[start : start + _PAGE]


def _ended_run(orphan: OrphanRun, flow_run_id: str) -> dict[str, Any]:
    return {
        "id": str(orphan.id),
        "flow_run_id": flow_run_id,
        "name": shown_name(orphan.name),
        # As the node made it: the API takes both for the same task run.
        "task_key": task_for(0, 0.0, None).task_key,
        "dynamic_key": str(orphan.id),
        "state": _NODE_LOST,
    }
