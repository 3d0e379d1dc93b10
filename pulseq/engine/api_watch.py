"""Whether the Prefect API of a run has answered all the time: where it has not, events may be lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx

POLL_SECONDS = 2.0
#: A server that takes longer to say that it is well is not.
TIMEOUT_SECONDS = 5.0


class ApiWatch:
    """Asks an API again and again whether it is there.

    Attributes:
        troubled: whether it has once not answered.
    """

    def __init__(self, url: str, *, poll_seconds: float = POLL_SECONDS) -> None:
        self.troubled = False
        self._url = f"{url.rstrip('/')}/health"
        self._poll_seconds = poll_seconds

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Ask as long as the block takes."""
        asking = asyncio.create_task(self._keep_asking())
        try:
            yield
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    async def _keep_asking(self) -> None:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            while not self.troubled:
                await asyncio.sleep(self._poll_seconds)
                try:
                    await client.get(self._url)
                except httpx.HTTPError:
                    self.troubled = True
