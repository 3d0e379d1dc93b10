"""How a run is stopped before its end: signals, its deadline, a journal that cannot be written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from pulseq.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopper:
    """Remembers the first reason to stop, and tells whoever has to act on it."""

    def __init__(self, on_stop: Callable[[str], None]) -> None:
        self.code: ExitCode | None = None
        self.why = ""
        #: The same in short, for each test that was not run for it.
        self.in_short = ""
        self.stopped = asyncio.Event()
        self._on_stop = on_stop
        self._over = False
        self._signals = 0

    def stop(self, code: ExitCode, why: str, *, in_short: str = "") -> None:
        """Stop the run with this exit code; only the first call counts, and none once the run is over."""
        if self.code is None and not self._over:
            self.code, self.why, self.in_short = code, why, in_short or why
            self.stopped.set()
            self._on_stop(why)

    def run_is_over(self) -> None:
        """What the run came to stands; a second signal still ends what is left to do."""
        self._over = True

    @contextlib.contextmanager
    def watching(self, deadline_seconds: float | None) -> Iterator[None]:
        """Heed signals, and the deadline if there is one."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle | None = None
        if deadline_seconds is not None:
            text = f"the deadline of {deadline_seconds:g} s has passed"
            timer = loop.call_later(deadline_seconds, lambda: self.stop(ExitCode.DEADLINE, text))
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.install_signals()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            for number, handler in before.items():
                with contextlib.suppress(ValueError):
                    signal.signal(number, handler)

    def install_signals(self) -> None:
        """Heed SIGINT and SIGTERM; again inside a flow, whose engine puts a handler of its own in place."""
        loop = asyncio.get_running_loop()

        # Not the loop's own way of handling signals: a loop that is busy (importing, for seconds) would not
        # hear of the second one, which means now.
        def handle(number: int, _frame: FrameType | None) -> None:
            if self._signals or self.code is not None:  # it is stopping, and somebody has had enough of that
                self._leave()
            self._signals += 1
            loop.call_soon_threadsafe(self._interrupted, number)

        for number in _SIGNALS:
            with contextlib.suppress(ValueError):  # not the main thread: the caller's to handle
                signal.signal(number, handle)

    def _interrupted(self, number: int) -> None:
        name = signal.Signals(number).name
        told = f"interrupted by {name}"
        why = f"{told}: ending what runs; once more to leave at once"
        self.stop(ExitCode.INTERRUPTED, why, in_short=f"the run was {told}")

    def _leave(self) -> NoReturn:
        # Nothing is tidied up here: children see the end of their lifeline.
        os._exit(int(self.code or ExitCode.INTERRUPTED))
