"""The Prefect API of a run: the one that is configured, or a lean server of our own on loopback."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from pulseq.errors import InfrastructureError
from pulseq.orchestration.api_address import open_url
from pulseq.orchestration.early_server import SERVER_MODULE, take_loading
from pulseq.orchestration.quiet_settings import LEAN_SERVER_SETTINGS, QUIET_SETTINGS
from pulseq.orchestration.server_doors import LOOPBACK_NAMES, origins_of
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.loopback import bind_loopback
from pulseq.processes.patience import LONGEST_PATIENCES
from pulseq.processes.spawn import open_log

logger = logging.getLogger("pulseq.server")

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
        name, log_path = "the Prefect server", run_directory / "logs" / "prefect-server.log"
        is_passing = settings is LEAN_SERVER_SETTINGS
        loading = take_loading() if is_passing and listener is None else None
        listener = loading.listener if loading is not None else listener or bind_loopback()
        port = listener.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        prefect_home = state_directory / "prefect"
        environment = {
            **QUIET_SETTINGS,
            **settings,
            "PREFECT_HOME": str(prefect_home),
            "PREFECT_API_URL": f"{address}/api",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins_of(LOOPBACK_NAMES, port)),
            "PREFECT_UI_STATIC_DIRECTORY": str(prefect_home / "ui"),
        }
        if loading is not None:
            open_log(log_path).close()  # which it opens when it is told of it
            process = LocalProcess.adopt(name, loading.pid, loading.line, log_path=log_path)
        else:
            descriptors = [listener.fileno()]
            process = await LocalProcess.start(
                name, SERVER_MODULE, log_path=log_path, environment=environment, pass_fds=descriptors
            )
        process.configure(
            {
                "socket_fd": listener.fileno(),
                "shared_database": str(prefect_home / "prefect.db"),
                "private_database": str(run_directory / "prefect.db"),
                "passing": is_passing,
                "auth": auth,
                "environment": environment,
                "log": str(log_path),
            }
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


def _ask_health(url: str) -> None:
    # The socket is bound, so this waits in its backlog until the server takes it up.
    with open_url(url, LONGEST_PATIENCES * START_PATIENCE_SECONDS) as answer:
        answer.read()
