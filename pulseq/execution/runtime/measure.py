"""What a body's process tree uses: peak memory by looking now and then, CPU by what is reaped."""

from __future__ import annotations

import contextlib
import resource
import time

from .process_tree import Ended, TreeWatcher

FIRST_LOOK_SECONDS = 0.05
LOOK_SECONDS = 0.1
LIMITED_LOOK_SECONDS = 0.05
#: The kernel ends bodies rather than nodes when memory runs out.
_OOM_SCORE = 500


class Usage:
    """CPU and memory of one body with all that it started.

    Attributes:
        peak_rss: bytes, the most that the tree is known to have held at once; 0 of one that ended unseen.
        cpu_seconds: user and system time of all processes that were reaped.
        next_look: when, by the monotonic clock, the tree should be looked at again.
    """

    def __init__(self, *, memory_limited: bool) -> None:
        self.peak_rss = 0
        self.cpu_seconds = 0.0
        self.next_look = 0.0
        self._interval = LIMITED_LOOK_SECONDS if memory_limited else LOOK_SECONDS
        self._watcher = TreeWatcher()
        self._floor = 0
        self._bound = 0

    @property
    def most_rss(self) -> int:
        """Bytes: `peak_rss`, and of a body that ended unseen what it held at most."""
        return self.peak_rss or self._bound

    def begin(self, body: int) -> None:
        """The body is there; it may not be its program yet."""
        # The kernel remembers as a program's peak also what the process held before it became that program.
        self._floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        with contextlib.suppress(OSError), open(f"/proc/{body}/oom_score_adj", "wb", buffering=0) as file:
            file.write(b"%d" % _OOM_SCORE)
        self.next_look = time.monotonic() + FIRST_LOOK_SECONDS

    def look(self, now: float) -> None:
        """Look at the whole tree, when it is time to."""
        if now >= self.next_look:
            self.peak_rss = max(self.peak_rss, self._watcher.sample().rss_bytes)
            self.next_look = now + self._interval

    def add(self, ended: Ended, *, is_body: bool) -> None:
        """Take in a reaped process: its CPU time, and its own peak where that is known to be its own."""
        self.cpu_seconds += ended.usage.ru_utime + ended.usage.ru_stime
        peak = ended.usage.ru_maxrss * 1024
        if peak > self._floor:
            self.peak_rss = max(self.peak_rss, peak)
        elif is_body:
            self._bound = peak
