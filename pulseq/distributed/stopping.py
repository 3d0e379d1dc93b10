"""How a run is stopped before its end: signals, its deadline, a journal that cannot be written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator

from pulseq.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopper:
    """Remembers the first reason to stop, and tells whoever has to act on it."""

    def __init__(self, on_stop: Callable[[str], None]) -> None:
        self.code: ExitCode | None = None
        self.why = ""
        self.stopped = asyncio.Event()
        self._on_stop = on_stop

    def stop(self, code: ExitCode, why: str) -> None:
        """Stop the run with this exit code; only the first call counts."""
        if self.code is None:
            self.code, self.why = code, why
            self.stopped.set()
            self._on_stop(why)

    @contextlib.contextmanager
    def watching(self, deadline_seconds: float | None) -> Iterator[None]:
        """Heed signals, and the deadline if there is one."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None
        if deadline_seconds is not None:
            text = f"the deadline of {deadline_seconds:g} s has passed"
            timer = loop.call_later(deadline_seconds, lambda: self.stop(ExitCode.DEADLINE, text))
        self.install_signals()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            for number in _SIGNALS:
                with contextlib.suppress(ValueError, RuntimeError):
                    loop.remove_signal_handler(number)

    def install_signals(self) -> None:
        """Heed SIGINT and SIGTERM; again inside a flow, whose engine puts a handler of its own in place."""
        for number in _SIGNALS:
            with contextlib.suppress(ValueError, RuntimeError):  # not the main thread: the caller's to handle
                asyncio.get_running_loop().add_signal_handler(number, self._interrupted, number)

    def _interrupted(self, number: int) -> None:
        if self.code is not None:
            # The second time means now: children see the end of their lifeline.
            os._exit(int(ExitCode.INTERRUPTED))
        name = signal.Signals(number).name
        self.stop(ExitCode.INTERRUPTED, f"interrupted by {name}: ending what runs; once more to leave at once")
