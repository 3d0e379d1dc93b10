"""What a node has to tell, gathered for a moment so that it travels together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: So long after the last message it is sent: what takes longer than this is known while it runs.
QUIET_SECONDS = 0.01
#: As long as messages keep coming, so long after the first: each journey costs driver and scheduler a millisecond.
LONGEST_SECONDS = 0.05


class Outbox(Generic[T]):
    """Messages to one receiver, sent in the order in which they were put here.

    Args:
        send: takes all that was gathered.
    """

    def __init__(self, send: Callable[[list[T]], None]) -> None:
        self._send = send
        self._messages: list[T] = []
        self._first = self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, message: T) -> None:
        """Have a message sent soon."""
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        if not self._messages:
            self._first = self._last
            self._timer = loop.call_later(QUIET_SECONDS, self._flush_when_due)
        self._messages.append(message)

    def flush(self) -> None:
        """Send what there is now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._messages:
            messages, self._messages = self._messages, []
            self._send(messages)

    def _flush_when_due(self) -> None:
        loop = asyncio.get_running_loop()
        left = min(self._last + QUIET_SECONDS, self._first + LONGEST_SECONDS) - loop.time()
        if left > 0:
            self._timer = loop.call_later(left, self._flush_when_due)
        else:
            self.flush()
