"""When a node last heard of its scheduler, and what follows when that is too long ago."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("pulseq.node")

#: How often the clock is looked at: a timer of the loop stands still while the machine sleeps.
LOOK_SECONDS = 1.0
#: So long the answer to a heartbeat is waited for, at most; then it is sent again, on a new connection.
_HEARTBEAT_SECONDS = 5.0


def uptime_seconds() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Silence:
    """How long a node has not heard of its scheduler; when that is too long, it is told once.

    Args:
        limit_seconds: of silence, `node_timeout`: then others have, or will have, what the node is at.
        on_silence: called once, on the node's event loop, when the limit is reached.
        clock: seconds that never go back.
    """

    def __init__(
        self, limit_seconds: float, on_silence: Callable[[], None], *, clock: Callable[[], float] = uptime_seconds
    ) -> None:
        self.limit_seconds = limit_seconds
        self._on_silence = on_silence
        self._clock = clock
        self._heard_at = clock()

    @property
    def seconds(self) -> float:
        """How long it has been now."""
        return self._clock() - self._heard_at

    def hear(self) -> None:
        """The scheduler has given a sign of life."""
        self._heard_at = self._clock()

    def follow(self, worker: Any) -> None:
        """Hear of the scheduler by each of its answers to a heartbeat of this Dask worker; before it is started.

        Dask waits for an answer for as long as its connection lasts. After a cut of the link that is about as long
        again as the cut was, since TCP tries less and less often; a new connection is through at once.
        """
        heartbeat = worker.periodic_callbacks["heartbeat"]
        ask = heartbeat.callback
        patience = min(self.limit_seconds / 3, _HEARTBEAT_SECONDS)

        async def ask_and_hear() -> None:
            before = worker.latency
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await ask()
            if worker.latency != before:
                self.hear()

        heartbeat.callback = ask_and_hear

    async def watch(self) -> None:
        """Until it has been silent for too long; cancel it where that matters no more."""
        while (left := self.limit_seconds - self.seconds) > 0:  # noqa: ASYNC110 - the sleep is the pause between looks
            await asyncio.sleep(min(left, LOOK_SECONDS))
        logger.warning("nothing was heard of the scheduler for %.1f s", self.seconds)
        self._on_silence()
