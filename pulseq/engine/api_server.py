"""The Prefect API of a run: the one that is configured, or a lean server of our own on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import httpx

from pulseq.engine.local_process import LocalProcess
from pulseq.errors import InfrastructureError

#: Recording task runs in batches is what makes a test cost 4 ms on the server and not 27 (FACTS);
#: the event feed and automations of a server that lives for one run have no reader.
LEAN_SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        # Whole seconds: Prefect 3.8 cuts it to an integer, and 0 makes the server spin.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_REPOSSESSOR_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    }
)

#: What no server or client of ours does: tell others that we are here.
QUIET_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        "PREFECT_SERVER_LOG_RETRYABLE_ERRORS": "false",
    }
)

START_TIMEOUT_SECONDS = 90.0
_POLL_SECONDS = 0.1


class EmbeddedServer:
    """A Prefect server that lives as long as its owner and records in batches."""

    def __init__(self, process: LocalProcess, address: str, listener: socket.socket) -> None:
        self._process = process
        self._address = address
        self._listener = listener

    @classmethod
    async def start(cls, *, state_directory: Path, run_directory: Path) -> EmbeddedServer:
        """Bind a free loopback port and start the server on it; `await ready()` before relying on it.

        Args:
            state_directory: keeps the database that runs share, so that later servers show earlier runs.
            run_directory: takes a private database if another server has the shared one, and the log.
        """
        listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        prefect_home = state_directory / "prefect"
        process = await LocalProcess.start(
            "the Prefect server",
            "pulseq.engine.server_process",
            {
                "socket_fd": listener.fileno(),
                "shared_database": str(prefect_home / "prefect.db"),
                "private_database": str(run_directory / "prefect.db"),
            },
            log_path=run_directory / "logs" / "prefect-server.log",
            environment={
                **QUIET_SETTINGS,
                **LEAN_SERVER_SETTINGS,
                "PREFECT_HOME": str(prefect_home),
                "PREFECT_API_URL": f"{address}/api",
                "PREFECT_UI_STATIC_DIRECTORY": str(prefect_home / "ui"),
            },
            pass_fds=[listener.fileno()],
        )
        return cls(process, address, listener)

    @property
    def api_url(self) -> str:
        return f"{self._address}/api"

    @property
    def ui_url(self) -> str:
        return self._address

    async def ready(self) -> None:
        """Until the server answers.

        Raises:
            InfrastructureError: it ended, or did not answer within 90 s.
        """
        await self._process.ready(START_TIMEOUT_SECONDS)
        # The child has the socket now; with our copy closed a dead server refuses instead of hanging.
        self._listener.close()
        ended = asyncio.ensure_future(self._process.wait())
        try:
            async with httpx.AsyncClient() as client:
                answer = asyncio.ensure_future(client.get(f"{self.api_url}/health", timeout=START_TIMEOUT_SECONDS))
                await asyncio.wait({ended, answer}, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    answer.cancel()
                    raise InfrastructureError(f"the Prefect server ended while it started: {self._words()}")
                answer.result().raise_for_status()
        except httpx.HTTPError as error:
            raise InfrastructureError(f"the Prefect server does not answer ({error!r}): {self._words()}") from error
        finally:
            ended.cancel()

    async def stop(self) -> None:
        """End the server; safe to call at any time."""
        self._listener.close()
        await self._process.stop()

    def _words(self) -> str:
        return f"{self._process.last_words()}; log: {self._process.log_path}"


async def check_api(url: str) -> None:
    """Make sure that the Prefect API at `url` answers.

    Raises:
        InfrastructureError: it does not; the text says what to do.
    """
    try:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            answer = await client.get(f"{url.rstrip('/')}/health", timeout=10.0)
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InfrastructureError(
            f"the Prefect API at {url!r} does not answer ({type(error).__name__}); start it, or unset PREFECT_API_URL "
            "(and choose another Prefect profile) to let pulseq start a server of its own"
        ) from error


async def wait_until_recorded(url: str, flow_run_id: str, task_runs: int, *, patience_seconds: float) -> int:
    """Until the API has a final state of `task_runs` task runs of a flow run, or patience ends.

    Task-run states travel as events, recorded some seconds later (FACTS), so a server that is about
    to be stopped has to be asked whether it has them all.

    Returns:
        How many are still missing.
    """
    deadline = asyncio.get_running_loop().time() + patience_seconds
    final = {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}
    query = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "task_runs": {"state": final}}
    missing = task_runs
    async with httpx.AsyncClient() as client:
        while missing > 0 and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.post(f"{url}/task_runs/count", json=query, timeout=10.0)
                if answer.is_success:
                    missing = task_runs - int(answer.json())
            if missing > 0:
                await asyncio.sleep(_POLL_SECONDS)
    return max(missing, 0)
