"""Questions to a Prefect API that its own client has no words for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from pulseq.errors import InfrastructureError

_POLL_SECONDS = 0.1
#: A batch of the recorder is written every second; what it has not got after a few will not come.
ORPHAN_PATIENCE_SECONDS = 4.0


async def wait_until_recorded(url: str, flow_run_id: str, task_runs: int, *, patience_seconds: float) -> int:
    """Until the API has a final state of `task_runs` task runs of a flow run, or patience ends.

    Task-run states travel as events, recorded some seconds later, so a server that is about
    to be stopped has to be asked whether it has them all.

    Returns:
        How many are still missing.

    Raises:
        InfrastructureError: nobody answers there any more.
    """
    deadline = asyncio.get_running_loop().time() + patience_seconds
    final = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}
    query = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "task_runs": {"state": final}}
    missing = task_runs
    async with _open_client(url) as client:
        while missing > 0:
            # A connection that is refused is another matter than a slow answer: nobody is there any more.
            with contextlib.suppress(httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ReadError):
                answer = await client.post(f"{url}/task_runs/count", json=query, timeout=10.0)
                if answer.is_success:
                    missing = task_runs - int(answer.json())
            if asyncio.get_running_loop().time() >= deadline:
                break
            if missing > 0:
                await asyncio.sleep(_POLL_SECONDS)
    return max(missing, 0)


@contextlib.asynccontextmanager
async def _open_client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    try:
        async with httpx.AsyncClient() as client:
            yield client
    except httpx.ConnectError as error:
        raise InfrastructureError(f"the Prefect API at {url!r} does not answer any more") from error


async def end_orphans(url: str, task_run_ids: list[str]) -> None:
    """Tell the API of task runs whose node died under them: they would be `Running` for ever.

    States come to the API as events, recorded a second or more later, so a task run that it has not heard of
    is asked for again for a while. One that it never hears of, since its node died first, is nothing to mend.
    """
    state = {"state": {"type": "CRASHED", "name": "NodeLost", "message": "its node was lost"}, "force": True}
    deadline = asyncio.get_running_loop().time() + ORPHAN_PATIENCE_SECONDS
    left = list(task_run_ids)
    async with httpx.AsyncClient(timeout=10.0) as client:
        while left:
            left = [one for one in left if not await _set_state(client, f"{url}/task_runs/{one}/set_state", state)]
            if asyncio.get_running_loop().time() > deadline:
                return
            if left:
                await asyncio.sleep(_POLL_SECONDS)


async def _set_state(client: httpx.AsyncClient, url: str, state: dict[str, Any]) -> bool:
    try:
        answer = await client.post(url, json=state)
    except httpx.HTTPError:
        return True  # an API that does not answer is told of elsewhere
    return answer.status_code != httpx.codes.NOT_FOUND
