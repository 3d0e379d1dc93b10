"""The Prefect API of a run: the one that is configured, or a lean server of our own on loopback."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pulseq.errors import InfrastructureError
from pulseq.orchestration.api_address import open_url
from pulseq.orchestration.quiet_settings import QUIET_SETTINGS
from pulseq.orchestration.server_doors import LOOPBACK_NAMES, origins_of
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.patience import LONGEST_PATIENCES

logger = logging.getLogger("pulseq.server")

#: Recording task runs in batches is what makes a test cost 9 ms on the server and not 27.
#: All that a server between runs is told: its event feed, automations and schedules have readers.
STANDING_SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
        # Whole seconds: Prefect 3.8 cuts it to an integer, and 0 makes the server spin.
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        # Half a megabyte a run would stay for ever: flow runs go after 30 days, events after 7. Results are elsewhere.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "2592000",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
    }
)
#: A server that lives for one run does without what would have no reader then: 4 ms a test.
LEAN_SERVER_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        **STANDING_SERVER_SETTINGS,
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
        # Else it imports all collections (Dask with prefect-dask) to see whether it would have to register them.
        "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    }
)

#: How long a server may take to start without a sign of life; and a tenth of how long it may take with them.
START_PATIENCE_SECONDS = 90.0


class EmbeddedServer:
    """A Prefect server that lives as long as its owner and records in batches.

    Attributes:
        auth: the auth string that it asks everybody for, None for nothing.
    """

    def __init__(
        self,
        process: LocalProcess,
        address: str,
        listener: socket.socket,
        auth: str | None,
        say: Callable[[str], None],
    ) -> None:
        self.auth = auth
        self._say = say
        self._process = process
        self._address = address
        self._listener = listener

    @classmethod
    async def start(
        cls,
        *,
        state_directory: Path,
        run_directory: Path,
        listener: socket.socket | None = None,
        settings: Mapping[str, str] = LEAN_SERVER_SETTINGS,
        auth: str | None = None,
        say: Callable[[str], None] = logger.info,
    ) -> EmbeddedServer:
        """Start the server on a free loopback port; `await ready()` before relying on it.

        It answers its own pages and programs alone, by the names of loopback (`server_doors`).

        Args:
            state_directory: keeps the database that runs share, so that later servers show earlier runs.
            run_directory: takes a private database if another server has the shared one, and the log.
            listener: the socket to serve on, from `bind_loopback`; it is closed here.
            auth: what it asks everybody for; None lets in whoever reaches its port.
            say: told what is waited for, and what was done where somebody had stopped it.
        """
        listener = listener or bind_loopback()
        port = listener.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        prefect_home = state_directory / "prefect"
        process = await LocalProcess.start(
            "the Prefect server",
            "pulseq.orchestration.server_process",
            {
                "socket_fd": listener.fileno(),
                "shared_database": str(prefect_home / "prefect.db"),
                "private_database": str(run_directory / "prefect.db"),
                "passing": settings is LEAN_SERVER_SETTINGS,
                "auth": auth,
            },
            log_path=run_directory / "logs" / "prefect-server.log",
            environment={
                **QUIET_SETTINGS,
                **settings,
                "PREFECT_HOME": str(prefect_home),
                "PREFECT_API_URL": f"{address}/api",
                "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins_of(LOOPBACK_NAMES, port)),
                "PREFECT_UI_STATIC_DIRECTORY": str(prefect_home / "ui"),
            },
            pass_fds=[listener.fileno()],
        )
        process.keep_going(say)
        return cls(process, address, listener, auth, say)

    @property
    def api_url(self) -> str:
        return f"{self._address}/api"

    @property
    def ui_url(self) -> str:
        return self._address

    async def ready(self) -> None:
        """Until the server answers, which takes seconds, or minutes where a machine has too much to do.

        Raises:
            InfrastructureError: it ended, or has not answered in time (`LocalProcess.wait_patiently`).
        """
        await self._process.ready(START_PATIENCE_SECONDS, self._say)
        # The child has the socket now; with our copy closed a dead server refuses instead of hanging.
        self._listener.close()
        ended = asyncio.ensure_future(self._process.wait())
        answer = asyncio.ensure_future(asyncio.to_thread(_ask_health, f"{self.api_url}/health"))
        either = asyncio.wait({ended, answer}, return_when=asyncio.FIRST_COMPLETED)
        try:
            await self._process.wait_patiently(either, START_PATIENCE_SECONDS, self._say)
            if not answer.done():
                raise InfrastructureError(f"the Prefect server ended while it started: {self._words()}")
            answer.result()
        except TimeoutError as error:
            raise InfrastructureError(f"the Prefect server did not answer within {error}: {self._words()}") from error
        except OSError as error:
            raise InfrastructureError(f"the Prefect server does not answer ({error!r}): {self._words()}") from error
        finally:
            ended.cancel()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """Until the server's process has ended; its return code."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End the server; safe to call at any time."""
        self._listener.close()
        await self._process.stop()

    def _words(self) -> str:
        return f"{self._process.last_words()}; log: {self._process.log_path}"


def bind_loopback() -> socket.socket:
    """A listening socket on a free port of this machine."""
    return socket.create_server(("127.0.0.1", 0), backlog=2048)


def _ask_health(url: str) -> None:
    # The socket is bound, so this waits in its backlog until the server takes it up.
    with open_url(url, LONGEST_PATIENCES * START_PATIENCE_SECONDS) as answer:
        answer.read()
