"""Whether the Prefect API of a run has answered all the time: where it has not, events may be lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import httpcore

POLL_SECONDS = 2.0
#: A server that takes longer to say that it is well is not.
TIMEOUT_SECONDS = 5.0
#: One that has taken no connection for so long does not only restart.
GONE_SECONDS = 30.0
_TIMEOUTS = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_SECONDS)


class ApiWatch:
    """Asks an API again and again whether it is there, always by one connection.

    A server that dies and is back before the next question answers it as if nothing had been, but it
    takes the connection with it.

    Attributes:
        troubled: whether it has once not answered, or has died in between.
        there: set as long as it takes connections, as far as anybody knows.
        gone: set once it has taken none for `gone_seconds`, until it does.
    """

    def __init__(self, url: str, *, poll_seconds: float = POLL_SECONDS, gone_seconds: float = GONE_SECONDS) -> None:
        self.troubled = False
        self.there, self.gone = asyncio.Event(), asyncio.Event()
        self.there.set()
        self._refused_at = 0.0
        self._gone_seconds = gone_seconds
        self._url = f"{url.rstrip('/')}/health"
        self._poll_seconds = poll_seconds

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Ask as long as the block takes."""
        async with httpcore.AsyncConnectionPool(max_connections=1) as pool:
            asking = asyncio.create_task(self._keep_asking(pool))
            try:
                yield
            finally:
                asking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asking
                self._look_at(pool)

    async def _keep_asking(self, pool: httpcore.AsyncConnectionPool) -> None:
        while True:
            try:
                await pool.request("GET", self._url, extensions={"timeout": _TIMEOUTS})
                self._note_connection()
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                self.troubled = True
                self._note_refusal()
            except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
                self.troubled = True
                self._note_connection()
            await asyncio.sleep(self._poll_seconds)
            self._look_at(pool)

    def _note_connection(self) -> None:
        self.there.set()
        self.gone.clear()

    def _note_refusal(self) -> None:
        if self.there.is_set():
            self.there.clear()
            self._refused_at = time.monotonic()
        if time.monotonic() - self._refused_at >= self._gone_seconds:
            self.gone.set()

    def _look_at(self, pool: httpcore.AsyncConnectionPool) -> None:
        # One that the server had said to close is not there any more; what it closed unsaid has expired.
        self.troubled |= any(connection.has_expired() for connection in pool.connections)
