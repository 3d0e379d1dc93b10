"""When the machine's wall clock is set, what of Dask's goes by it goes on.

Dask times its timers and its batches of messages by the wall clock: set back by an hour, they stand still for an hour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

#: A clock that is let run faster or slower, as is usual, moves by less between two looks.
LEAST_SECONDS = 0.5
LOOK_SECONDS = 1.0


class ClockSteps:
    """Notices that the wall clock was set.

    Args:
        wall: seconds of the clock that is watched.
        steady: seconds of one that nobody sets.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()

    def look(self) -> float:
        """By how many seconds it was set since the last look: below zero where that was back, 0 where it was not."""
        ahead = self._wall() - self._steady()
        step, self._ahead = ahead - self._ahead, ahead
        return step if abs(step) >= LEAST_SECONDS else 0.0

    async def watch(self, on_step: Callable[[float], None]) -> None:
        """Call with each step, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if step := self.look():
                on_step(step)


def go_on(senders: Iterable[Any], timers: MutableMapping[str, Any]) -> None:
    """Have Dask's batches of messages, and its timers, begin anew with the time that is now.

    A timer that is at its work is replaced like the others: what it is at ends as it would.
    """
    for name, timer in list(timers.items()):
        if timer.is_running():
            timer.stop()
            timers[name] = type(timer)(timer.callback, timer.callback_time)
            timers[name].start()
    for sender in senders:
        sender.next_deadline = None
        sender.waker.set()
