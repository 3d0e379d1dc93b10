"""What a node has to tell, gathered for a moment so that it travels together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: So long after the last message it is sent: what takes longer than this is known while it runs.
QUIET_SECONDS = 0.01
#: So long where many more like it are to be expected: items of a pack, most of which take milliseconds.
BUSY_QUIET_SECONDS = 0.03
#: As long as messages keep coming, so long after the first, and after the first that is not like that: each
#: journey costs node, scheduler and driver some five milliseconds of a processor.
LONGEST_BUSY_SECONDS = 0.1
LONGEST_SECONDS = 0.05


class Outbox(Generic[T]):
    """Messages to one receiver, sent in the order in which they were put here.

    Args:
        send: takes all that was gathered.
    """

    def __init__(self, send: Callable[[list[T]], None]) -> None:
        self._send = send
        self._messages: list[T] = []
        self._quiet_at = self._latest = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, message: T, *, busy: bool = False) -> None:
        """Have a message sent soon; a `busy` one may wait a little longer for those that will follow it."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._quiet_at = now + (BUSY_QUIET_SECONDS if busy else QUIET_SECONDS)
        latest = now + (LONGEST_BUSY_SECONDS if busy else LONGEST_SECONDS)
        self._latest = min(self._latest, latest) if self._messages else latest
        self._messages.append(message)
        if self._timer is None or (not busy and self._timer.when() > self._due):
            self._set_timer(loop)

    def flush(self) -> None:
        """Send what there is now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._messages:
            messages, self._messages = self._messages, []
            self._send(messages)

    @property
    def _due(self) -> float:
        return min(self._quiet_at, self._latest)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._due, self._flush_when_due)

    def _flush_when_due(self) -> None:
        # Most messages only move the moment: to set the timer anew for each would cost more than to look again.
        loop = asyncio.get_running_loop()
        if self._due > loop.time():
            self._set_timer(loop)
        else:
            self.flush()
