"""What goes on beside everything else and is awaited by nobody: held as long as it does, and heard of where it dies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from weakref import WeakSet

logger = logging.getLogger("pulseq.background")

T = TypeVar("T")


class Background:
    """Owns tasks and timers of one event loop.

    Attributes:
        on_death: called with what a task or timer was for, and what it died of; without one, the log is told.
    """

    def __init__(self, on_death: Callable[[str, BaseException], None] | None = None) -> None:
        self.on_death = on_death or _tell_log
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Those that its loop still has: one that has rung, or was cancelled, is of no use to anybody.
        self._timers: WeakSet[asyncio.TimerHandle] = WeakSet()

    def start(self, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run a coroutine; `name` says what it is for."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    def later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        """Call something so many seconds from now, unless all ends before."""

        def ring() -> None:
            try:
                call(*arguments)
            except Exception as error:  # noqa: BLE001 - nobody else hears of it: this is a callback
                self.on_death(call.__name__.strip("_").replace("_", " "), error)

        timer = asyncio.get_running_loop().call_later(seconds, ring)
        self._timers.add(timer)
        return timer

    @property
    def busy(self) -> bool:
        """Whether a task goes on."""
        return bool(self._tasks)

    async def settle(self) -> None:
        """Until no task is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def end(self) -> None:
        """Cancel what goes on, and see it end."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_death(task.get_name(), error)


async def any_set(*events: asyncio.Event, timeout_seconds: float | None = None) -> None:
    """Until one of these is set, or that long."""
    waiting = {asyncio.ensure_future(event.wait()) for event in events}
    try:
        await asyncio.wait(waiting, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


def _tell_log(name: str, error: BaseException) -> None:
    logger.error("%s has ended with %s: %s", name, type(error).__name__, error, exc_info=error)
