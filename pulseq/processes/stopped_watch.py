"""A watch over one process of ours: stopped, it is continued; stopped again and again, it is killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Protocol

from pulseq.execution.runtime.process_tree import read_stat
from pulseq.execution.runtime.stopped import CONTINUATIONS, LOOK_SECONDS, StoppedRule


class Signalled(Protocol):
    """A process that gets its signals, and nobody else who has come to its number."""

    @property
    def pid(self) -> int: ...
    def signal(self, number: int, /) -> None: ...


class StoppedWatch:
    """Looks at a process once a second, from now on until `close`, or its end.

    Args:
        on_signal: called with each signal just before it is sent: SIGCONT or SIGKILL.
        continuations: how often in a row it is continued before it is killed.
    """

    def __init__(
        self, process: Signalled, on_signal: Callable[[int], None], *, continuations: int = CONTINUATIONS
    ) -> None:
        self._process = process
        self._on_signal = on_signal
        self._rule = StoppedRule(continuations)
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look no more."""
        self._next.cancel()

    def _look(self) -> None:
        stat = read_stat(self._process.pid)
        if stat is None or stat.state in "ZX":
            return
        number = self._rule.judge(stat.state)
        if number is not None:
            self._on_signal(number)
            self._process.signal(number)
        if number != signal.SIGKILL:
            self._next = self._loop.call_later(LOOK_SECONDS, self._look)
