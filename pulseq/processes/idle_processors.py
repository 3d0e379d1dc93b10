"""Whether this machine has processors with nothing to do."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

#: What is known is for so long what there is: the system counts in hundredths of a second.
_LOOK_SECONDS = 0.05


def _idle_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.idle + getattr(times, "iowait", 0.0))


class IdleProcessors:
    """How many there were since it was asked last.

    Args:
        clock, idle_seconds: seconds that have passed, and those of all processors in which they had nothing to do.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, idle_seconds: Callable[[], float] = _idle_seconds
    ) -> None:
        self._clock, self._idle_seconds = clock, idle_seconds
        self._at, self._idle = clock(), idle_seconds()
        self._known: float | None = None

    def count(self) -> float | None:
        """The mean since the last look; None before there was time for one."""
        now = self._clock()
        if (passed := now - self._at) >= _LOOK_SECONDS:
            idle = self._idle_seconds()
            self._known = (idle - self._idle) / passed
            self._at, self._idle = now, idle
        return self._known
