"""One process of what stands between runs, brought back when it dies, though not for ever."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pulseq.cluster.standing_cluster import Condition, PartState
from pulseq.errors import InfrastructureError
from pulseq.processes.process_id import ProcessId

logger = logging.getLogger("pulseq.standing")

#: So many deaths of one part in so many seconds have a reason that stays.
MAX_DEATHS = 5
WINDOW_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.25
#: Of one that is never given up.
MOST_PAUSE_SECONDS = 15.0


class Process(Protocol):
    """A child that can be watched and ended."""

    @property
    def pid(self) -> int: ...
    async def wait(self) -> int: ...
    async def stop(self) -> None: ...


@dataclass(slots=True)
class RestartBackoff:
    """When to start a part again after a death, and when not to any more."""

    deaths: deque[float] = field(default_factory=deque)

    def pause_after_death(self, now: float) -> float | None:
        """Seconds to wait, twice as long each time; None after too many deaths in too short a time."""
        self.deaths.append(now)
        while now - self.deaths[0] > WINDOW_SECONDS:
            self.deaths.popleft()
        if len(self.deaths) >= MAX_DEATHS:
            return None
        return FIRST_PAUSE_SECONDS * 2.0 ** (len(self.deaths) - 1)


class StandingPart:
    """A process and what is to be done when it ends.

    Args:
        start: starts the process and returns it when it is of use; raises `InfrastructureError`.
        on_change: called after each change of `state`.

    Attributes:
        is_excused: whether a death is another part's fault, and not to be counted.
        is_patient: whether it is never given up.
        on_death: what else a death of this one ends.
    """

    def __init__(self, name: str, start: Callable[[], Awaitable[Process]], on_change: Callable[[], None]) -> None:
        self.state = PartState(name, Condition.STARTING, since=time.time())
        self.is_excused: Callable[[], bool] = lambda: False
        self.is_patient = False
        self.on_death: Callable[[], Awaitable[None]] | None = None
        self._start = start
        self._on_change = on_change
        self._backoff = RestartBackoff()
        self._tries = 0
        self._process: Process | None = None

    @property
    def name(self) -> str:
        return self.state.name

    async def start(self) -> None:
        """The first start.

        Raises:
            InfrastructureError: it does not.
        """
        self._process = await self._start()
        self._tries = 0
        self._change(Condition.RUNNING)
        logger.info("%s runs", self.name)

    async def keep(self) -> None:
        """See the process end, and start it again, until patience ends."""
        while True:
            why = await self._see_end()
            logger.warning("%s: %s", self.name, why)
            if self.on_death is not None:
                await self.on_death()
            pause = self._pause()
            deaths = self.state.deaths + 1
            if pause is None:
                logger.error("%s died %d times within %.0f s and is given up", self.name, MAX_DEATHS, WINDOW_SECONDS)
                self._change(Condition.GIVEN_UP, deaths=deaths, why=why)
                return
            self._change(Condition.RESTARTING, deaths=deaths, why=why)
            await asyncio.sleep(pause)

    def _pause(self) -> float | None:
        if self.is_excused():
            return FIRST_PAUSE_SECONDS
        if self.is_patient:
            self._tries += 1
            return min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._tries, 10), MOST_PAUSE_SECONDS)
        return self._backoff.pause_after_death(time.monotonic())

    async def _see_end(self) -> str:
        try:
            if self._process is None:
                await self.start()
            assert self._process is not None
            why = f"its process ended with {await self._process.wait()}"
            await self._process.stop()  # for its line
        except (InfrastructureError, OSError) as error:
            why = str(error)
        self._process = None
        return why

    async def stop(self) -> None:
        """End the process; it is not started again once `keep` has been cancelled."""
        if self._process is not None:
            await self._process.stop()

    def _change(self, condition: Condition, **changes: Any) -> None:
        process = None if self._process is None else ProcessId.of(self._process.pid)
        self.state = replace(self.state, condition=condition, process=process, since=time.time(), **changes)
        self._on_change()
