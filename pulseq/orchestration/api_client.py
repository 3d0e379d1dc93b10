"""Questions to a Prefect API that its own client has no words for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_CLIENT_CUSTOM_HEADERS
from pydantic import SecretStr

from pulseq.errors import InfrastructureError
from pulseq.orchestration.api_address import say_url

#: Between two questions at first, and at most: the more there is to record the less it is to be disturbed.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.5
_LONGER = 1.2
#: How long it takes at most once somebody wants to go on.
_STOPPED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an API lacked when it was asked for the last time.

    Attributes:
        missing: so many task runs without a final state.
        stalled: whether there was nothing new for long, so that they will not come by themselves.
    """

    missing: int
    stalled: bool = False


async def wait_until_recorded(
    url: str,
    flow_run_id: str,
    task_runs: int,
    *,
    patience_seconds: float,
    stall_seconds: float | None = None,
    stopped: asyncio.Event | None = None,
) -> Recorded:
    """Until the API has a final state of `task_runs` task runs of a flow run, or patience ends.

    It is asked as Prefect's client in this context would ask it, with the auth string for one.

    That is after `patience_seconds`, when there was nothing new for `stall_seconds`, or a second after `stopped` is
    set.

    Task-run states travel as events, recorded some seconds later, so a server that is about
    to be stopped has to be asked whether it has them all.

    Raises:
        InfrastructureError: nobody answers there any more.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_seconds
    progress_at = loop.time()
    pause = _FIRST_PAUSE_SECONDS
    final = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}
    query = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "task_runs": {"state": final}}
    missing = task_runs
    stopped = stopped or asyncio.Event()
    async with _open_client(url) as client:
        while missing > 0:
            if stopped.is_set():
                deadline = min(deadline, loop.time() + _STOPPED_SECONDS)
            # A connection that is refused is another matter than a slow answer: nobody is there any more.
            with contextlib.suppress(httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ReadError):
                longest = max(0.1, min(10.0, deadline - loop.time()))
                answer = await client.post(f"{url}/task_runs/count", json=query, timeout=longest)
                if answer.is_success:
                    before, missing = missing, task_runs - int(answer.json())
                    progress_at = loop.time() if missing < before else progress_at
            if stall_seconds is not None and loop.time() - progress_at >= stall_seconds:
                return Recorded(max(missing, 0), stalled=missing > 0)
            if loop.time() >= deadline:
                break
            if missing > 0:
                await _pause(pause, stopped)
                pause = min(pause * _LONGER, _LONGEST_PAUSE_SECONDS)
    return Recorded(max(missing, 0))


async def _pause(seconds: float, stopped: asyncio.Event) -> None:
    if stopped.is_set():
        await asyncio.sleep(seconds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()


@contextlib.asynccontextmanager
async def _open_client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    try:
        # Certificates are read for a client that may need them: 30 ms.
        async with httpx.AsyncClient(verify=not url.startswith("http://"), headers=access_headers()) as client:
            yield client
    except httpx.ConnectError as error:
        raise InfrastructureError(f"the Prefect API at {say_url(url)!r} does not answer any more") from error


def access_headers() -> dict[str, str]:
    """Who requests of our own are from, as Prefect's client would say it by the settings of the current context."""
    named = PREFECT_CLIENT_CUSTOM_HEADERS.value() or {}
    if auth := PREFECT_API_AUTH_STRING.value():
        return {**named, "Authorization": f"Basic {base64.b64encode(_reveal(auth).encode()).decode()}"}
    if key := PREFECT_API_KEY.value():
        return {**named, "Authorization": f"Bearer {_reveal(key)}"}
    return dict(named)


def _reveal(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
