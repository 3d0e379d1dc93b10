"""How a run is stopped before its end: signals, its deadline, a journal that cannot be written."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from pulseq.errors import ExitCode

logger = logging.getLogger("pulseq.run")

#: The last is what the end of a terminal sends; under `nohup` it is ignored, and stays so.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Set once this process is about to be left at once.
_is_left = threading.Event()
_before_leaving: list[Callable[[int], None]] = []


def tell_before_leaving(tell: Callable[[int], None]) -> None:
    """Have somebody told the exit code of this process just before it leaves at once: who waits may see no other."""
    _before_leaving.append(tell)


def wait_if_left() -> None:
    """Come back only where this process goes on: what is left at once has one exit code, and one last word."""
    while _is_left.is_set():
        time.sleep(1.0)


class Stopper:
    """Remembers the first reason to stop, and tells whoever has to act on it.

    Args:
        on_stop: called once, with the reason, in the event loop.
        on_leave: called in a thread of its own when a second signal says "now", just before the process ends with
            the exit code that this returns.
    """

    def __init__(self, on_stop: Callable[[str], None], on_leave: Callable[[ExitCode], ExitCode] | None = None) -> None:
        self.code: ExitCode | None = None
        self.why = ""
        #: The same in short, for each test that was not run for it.
        self.in_short = ""
        self.stopped = asyncio.Event()
        #: Set where somebody, or a deadline, waits for the end.
        self.awaited = asyncio.Event()
        self._on_stop = on_stop
        self._on_leave = on_leave
        self._over = False
        self._signals = 0
        self._leaving = False
        self._skip: Callable[[], None] | None = None

    def stop(self, code: ExitCode, why: str, *, in_short: str = "") -> None:
        """Stop the run with this exit code; only the first call counts, and none once the run is over."""
        if self.code is None and not self._over:
            self.code, self.why, self.in_short = code, why, in_short or why
            self.stopped.set()
            if code in (ExitCode.INTERRUPTED, ExitCode.DEADLINE):
                self.awaited.set()
            self._on_stop(why)

    def stop_for_death(self, name: str, error: BaseException) -> None:
        """Stop the run, since something has died that nobody waits for: without it the run might never end."""
        logger.debug("%s has failed", name, exc_info=error)
        why = f"the run was stopped: {name} has failed with {type(error).__name__}: {error}"
        self.stop(ExitCode.INTERNAL_ERROR, why)

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
        before = {number: signal.getsignal(number) for number in _heeded()}
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
        """Heed signals; again inside a flow, whose engine puts a handler of its own in place."""
        loop = asyncio.get_running_loop()

        # Not the loop's own way of handling signals: a loop that is busy (importing, for seconds) would not
        # hear of the second one, which means now.
        def handle(number: int, _frame: FrameType | None) -> None:
            if self._signals or self.code is not None:  # it is stopping, and somebody has had enough of that
                self._leave()
            self._signals += 1
            loop.call_soon_threadsafe(self._interrupted, number)

        for number in _heeded():
            with contextlib.suppress(ValueError):  # not the main thread: the caller's to handle
                signal.signal(number, handle)

    @contextlib.contextmanager
    def skipping(self, skip: Callable[[], None]) -> Iterator[None]:
        """Let a first signal within the block end what is waited for there, and not the run, which has come to its end.

        Args:
            skip: called in the event loop.
        """
        self._skip = skip
        try:
            yield
        finally:
            self._skip = None

    def _interrupted(self, number: int) -> None:
        if self._skip is not None:
            self._skip()
            return
        name = signal.Signals(number).name
        told = f"interrupted by {name}"
        why = f"{told}: ending what runs; once more to leave at once"
        self.stop(ExitCode.INTERRUPTED, why, in_short=f"the run was {told}")

    def _leave(self) -> None:
        # Not here: a handler runs in the midst of anything, and what is to be closed may be locked by just that. So
        # may be what `threading` keeps of its threads.
        if not self._leaving:
            self._leaving = True
            _is_left.set()
            try:
                _thread.start_new_thread(self._close_and_leave, ())
                return
            except RuntimeError:
                logger.debug("no thread is to be had", exc_info=True)
        self._end_process()

    def _close_and_leave(self) -> None:
        try:
            if self._on_leave is not None:
                self.code = self._on_leave(self._leaving_code)
        except Exception:  # whatever it is, somebody has said "now"
            logger.debug("what was to be done before leaving has failed", exc_info=True)
        finally:
            self._end_process()

    @property
    def _leaving_code(self) -> ExitCode:
        return self.code or ExitCode.INTERRUPTED

    def _end_process(self) -> None:
        # Children see the end of their lifeline.
        code = int(self._leaving_code)
        for tell in _before_leaving:
            with contextlib.suppress(OSError):
                tell(code)
        try:
            os._exit(code)
        finally:
            _is_left.clear()  # nobody comes here, but tests for which this process goes on


def _heeded() -> list[signal.Signals]:
    return [number for number in _SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
