"""The processes below this one: found, measured, ended and reaped, whatever they do to get away.

A subreaper inherits every orphan below it, daemons that forked twice into sessions
of their own included. So "no child is left to wait for" means that no descendant is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import time
from typing import Any, Callable, Container, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple

FIRST_LOOK_SECONDS = 0.05
LOOK_SECONDS = 0.1
LIMITED_LOOK_SECONDS = 0.05
#: The kernel ends bodies rather than nodes when memory runs out.
_OOM_SCORE = 500

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PDEATHSIG = 1
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PAUSE_SECONDS = 0.005


class Ended(NamedTuple):
    """A child that was reaped; `usage` is what `os.wait4` said of it and of those it had reaped."""

    pid: int
    status: int
    usage: Any


class TreeSample(NamedTuple):
    """What some processes use at one moment; RSS counts a shared page once for each of them."""

    processes: int
    rss_bytes: int
    cpu_seconds: float


class Killed(NamedTuple):
    """What it took to end a tree: who had to be killed, and who could not be."""

    killed: FrozenSet[int]
    survivors: Tuple[int, ...]


class ProcessStat(NamedTuple):
    """The fields of /proc/PID/stat that matter here."""

    state: str
    parent: int
    cpu_seconds: float
    rss_bytes: int


def become_subreaper() -> None:
    """Make orphans below this process its children, instead of init's.

    Raises:
        OSError: where the kernel refuses.
    """
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, "cannot become a subreaper: " + os.strerror(code))


def continue_when_orphaned() -> None:
    """Have this process continued, should it be stopped then, when the thread that has started it ends.

    It hears of that end by a line that closes, and one that is stopped hears nothing. To what runs, the
    signal means nothing.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)


def die_with_parent() -> None:
    """Have this process killed when its parent, which must have one thread only, dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class ChildSignal:
    """A file descriptor that becomes readable when a child has ended: something to poll for.

    Only for the main thread, once per process. `close` gives SIGCHLD its default again.
    """

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)

    @property
    def descriptors(self) -> Tuple[int, int]:
        """Both ends."""
        return self.fd, self._write_fd

    def clear(self) -> None:
        """Forget the signals so far; call it before reaping, not after."""
        try:
            while len(os.read(self.fd, 4096)) == 4096:
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self.fd)
        os.close(self._write_fd)


def read_stat(pid: int) -> Optional[ProcessStat]:
    """The state of a process; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            data = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold anything, parentheses and spaces too.
    fields = data[data.rindex(b")") + 2 :].split()
    ticks = int(fields[11]) + int(fields[12])
    return ProcessStat(fields[0].decode(), int(fields[1]), ticks / _TICKS_PER_SECOND, int(fields[21]) * _PAGE_BYTES)


def descendants(root: Optional[int] = None, *, spare: Container[int] = ()) -> List[int]:
    """All processes below `root` (this process when None), zombies included, parents before their children.

    Those in `spare`, and what is below them, are left out.
    """
    below: Dict[int, List[int]] = {}
    for pid in _all_pids():
        stat = read_stat(pid)
        if stat is not None:
            below.setdefault(stat.parent, []).append(pid)
    found = [os.getpid() if root is None else root]
    for pid in found:
        found.extend(child for child in below.get(pid, ()) if child not in spare)
    return found[1:]


def alive(pids: Iterable[int]) -> List[int]:
    """Those of `pids` that run, sleep or are stopped; not the zombies."""
    stats = ((pid, read_stat(pid)) for pid in pids)
    return [pid for pid, stat in stats if stat is not None and stat.state not in "ZX"]


class TreeWatcher:
    """Measures the tree below this process again and again, cheaply.

    A process seen once outside the tree never comes into it, so only the tree and
    newcomers are looked at. Now and then all are, since a pid may be used again.
    """

    LOOKS_UNTIL_FRESH = 100

    def __init__(self) -> None:
        self._outside: Set[int] = set()
        self._looks = 0

    def sample(self) -> TreeSample:
        """What the tree uses now, this process itself not included."""
        if self._looks % self.LOOKS_UNTIL_FRESH == 0:
            self._outside = {os.getpid()}
        self._looks += 1
        stats: Dict[int, ProcessStat] = {}
        for pid in _all_pids():
            stat = None if pid in self._outside else read_stat(pid)
            if stat is not None:
                stats[pid] = stat
        inside = [pid for pid in stats if self._is_inside(pid, stats)]
        self._outside.update(stats.keys() - inside)
        measured = [stats[pid] for pid in inside]
        return TreeSample(
            len(measured), sum(stat.rss_bytes for stat in measured), sum(stat.cpu_seconds for stat in measured)
        )

    def _is_inside(self, pid: int, stats: Dict[int, ProcessStat]) -> bool:
        own = os.getpid()
        for _ in range(len(stats)):
            parent = stats[pid].parent
            if parent == own:
                return True
            if parent not in stats:
                return False
            pid = parent
        return False


def reap(record: Optional[Callable[[Ended], None]] = None) -> bool:
    """Reap every child that has ended, without waiting; True while other children are left."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if record is not None:
            record(Ended(pid, status, usage))


def wait_for(pids: Iterable[int], seconds: float) -> None:
    """Reap these children as they end, for so long at most."""
    until = time.monotonic() + seconds
    left = still_running(pids)
    while left and time.monotonic() < until:
        _pause()
        left = still_running(left)


def still_running(pids: Iterable[int]) -> Set[int]:
    """Those of these children that have not ended; the others are reaped."""
    return {pid for pid in pids if not _has_ended(pid)}


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:  # somebody else has reaped it: the kernel does where a suite ignores SIGCHLD
        return True


def send_signals(pids: Iterable[int], *signals: int) -> None:
    """Send these signals, in order, to each of these processes that still is there and may be signalled."""
    for pid in pids:
        for number in signals:
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                break


def kill_descendants(
    grace_seconds: float = 1.0,
    *,
    spare: Container[int] = (),
    meanwhile: Optional[Callable[[], None]] = None,
    record: Optional[Callable[[Ended], None]] = None,
    limit_seconds: float = 5.0,
) -> Killed:
    """End every process below this one and reap it: SIGTERM, a grace, then SIGKILL until none is left.

    This process has to be a subreaper. Stopped processes are continued, so that they
    can heed SIGTERM. Returns as soon as nothing is left, after `grace_seconds + limit_seconds` in any case.

    Args:
        grace_seconds: how long SIGTERM has time to work; 0 kills at once.
        spare: what is left alone, with all that is below it.
        meanwhile: called again and again while waiting; it should take some milliseconds.
        record: called with every child that was reaped.
        limit_seconds: when to give up on what even SIGKILL does not end (uninterruptible sleep).
    """
    pause = meanwhile or _pause
    asked: Set[int] = set()
    deadline = time.monotonic() + grace_seconds
    while grace_seconds > 0 and reap(record) and time.monotonic() < deadline:
        newcomers = [pid for pid in descendants(spare=spare) if pid not in asked]
        send_signals(newcomers, signal.SIGTERM, signal.SIGCONT)
        asked.update(newcomers)
        pause()
    killed: Set[int] = set()
    deadline = time.monotonic() + limit_seconds
    while reap(record) and time.monotonic() < deadline:
        targets = alive(descendants(spare=spare))
        if spare and not targets:
            break
        send_signals(targets, signal.SIGKILL)
        killed.update(targets)
        pause()
    return Killed(frozenset(killed), tuple(alive(descendants(spare=spare))) if reap(record) else ())


def _pause() -> None:
    time.sleep(_PAUSE_SECONDS)


def _all_pids() -> List[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


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
