"""How long to wait for somebody who is at work.

A busy machine makes everything slow, so no clock alone says that nothing will come of something: as long as there are
signs of life there is reason to wait, though not for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

#: How often somebody who waits looks whether there is reason to, and says what for.
LOOK_SECONDS, SAY_SECONDS = 1.0, 20.0
#: No wait is longer than so many times what may pass without a sign of life.
LONGEST_PATIENCES = 10

T = TypeVar("T")


class Patience:
    """How long to wait for somebody who is at work. Pure: signs of life and the clock are passed in."""

    def __init__(self, patience_seconds: float, now: float) -> None:
        self._patience = patience_seconds
        self._began = self._moved_at = now
        self._say_at = now + SAY_SECONDS
        self._signs: object = None

    def judge(self, signs: object, now: float) -> str | None:
        """What there is to say of the wait; None for nothing.

        Raises:
            TimeoutError: there were no other signs for too long, or it took too long in all.
        """
        if signs != self._signs:
            self._signs, self._moved_at = signs, now
        waited, idle = now - self._began, now - self._moved_at
        if idle >= self._patience:
            raise TimeoutError(f"{waited:.0f} s, the last {idle:.0f} of them without a sign of life")
        if waited >= LONGEST_PATIENCES * self._patience:
            raise TimeoutError(f"{waited:.0f} s")
        if now < self._say_at:
            return None
        self._say_at = now + SAY_SECONDS
        return f"{waited:.0f} s until now, and it is at work"


async def wait_patiently(
    doing: Awaitable[T], read_signs: Callable[[], object], patience_seconds: float, say: Callable[[str], None]
) -> T:
    """The result of something, waited for as long as there is reason to.

    Args:
        read_signs: what is another value each time that there was a sign of life.
        patience_seconds: how long there may be none; and a tenth of the longest wait of all.
        say: told now and then how long it has been.

    Raises:
        TimeoutError: patience has ended; its text says after how long.
    """
    awaited = asyncio.ensure_future(doing)
    wait = Patience(patience_seconds, time.monotonic())
    try:
        while True:
            done, _ = await asyncio.wait({awaited}, timeout=min(LOOK_SECONDS, patience_seconds))
            if done:
                return awaited.result()
            if text := wait.judge(read_signs(), time.monotonic()):
                say(text)
    finally:
        awaited.cancel()
