"""Processes that tell an event loop of their end, for which no thread waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

from pulseq.processes.handle import ProcessHandle
from pulseq.processes.stopped_watch import StoppedWatch

#: What a process is said to have ended with, where somebody else has waited for it, or nobody could.
UNKNOWN_CODE = 255


class WatchedProcess(ProcessHandle):
    """A process, whoever's child it is; its return code is its parent's to know.

    Attributes:
        ended: set once it has ended.
        returncode: None as long as it lives.
        on_end: called once it has ended.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.ended = asyncio.Event()
        self.returncode: int | None = None
        self.on_end: Callable[[], None] = lambda: None
        self._stops: StoppedWatch | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._hear_end)

    def _hear_end(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self.learn_code()

    def learn_code(self) -> None:
        """It has ended: take note of what with (`note_end`), now or later."""
        self.note_end(UNKNOWN_CODE)

    def note_end(self, code: int) -> None:
        """Tell that it has ended, with this code."""
        self.returncode = code
        self._watch_stops_no_more()
        self.on_end()
        self.ended.set()

    def keep_going(self, on_signal: Callable[[int], None]) -> None:
        """Have it continued, or killed in the end, where somebody stops it; see `StoppedWatch`."""
        self._stops = StoppedWatch(self, on_signal)

    def _watch_stops_no_more(self) -> None:
        if self._stops is not None:
            self._stops.close()

    async def wait(self) -> int:
        """Until it has ended; its return code."""
        await self.ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def end(self, grace_seconds: float) -> int:
        """See it end, which it has been told to by the end of its line; its return code.

        Args:
            grace_seconds: how long it may take until it is killed.
        """
        if self.returncode is None:
            self.signal(signal.SIGCONT)  # what is stopped does not see the end of anything
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self.ended.wait()
        self.kill()  # also what has ended by itself may have left a session behind
        return await self.wait()

    def kill(self) -> None:
        """SIGKILL it."""
        self.signal(signal.SIGKILL)

    def close(self) -> None:
        self._watch_stops_no_more()
        if self.is_held:
            self._loop.remove_reader(self._descriptor)
        super().close()


class SessionLeader(WatchedProcess):
    """A process with a session of its own, whose number is nobody else's until `close`: that is killed as a whole."""

    def kill(self) -> None:
        """SIGKILL it and what is left of its session."""
        if self.is_held:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


class OwnChild(SessionLeader):
    """A process that this one has started (`spawn`), which is waited for at `close` alone."""

    def __init__(self, pid: int) -> None:
        try:
            super().__init__(pid)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _bury(pid)
            raise

    def learn_code(self) -> None:
        try:
            self.note_end(code_of(self.pid))
        except ChildProcessError:
            # SIGCHLD is ignored, or whoever this process belongs to waits for all children.
            self.note_end(UNKNOWN_CODE)

    def close(self) -> None:
        if self.is_held:
            super().close()
            if self.returncode is not None:
                _bury(self.pid)


def code_of(pid: int) -> int:
    """The return code of a child that has ended, which keeps its number until it is waited for."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _bury(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
