"""Whether processes that were started lately still have to do with a directory."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pulseq.processes.process_id import ProcessId

_PROC = "/proc"
_LINKS = ("cwd", "root", "exe")


def seconds_up() -> float:
    """How long this machine has been up, as the start of a process is told."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def has_users(directory: Path, *, since: float) -> bool:
    """Whether a process of this user is in a directory, or has something of it open or in its memory.

    True also where the system does not show that.

    Args:
        since: looked at are those that were started from then on, in seconds that the machine had been up.
    """
    below = os.fsencode(directory) + b"/"
    first = int(since * os.sysconf("SC_CLK_TCK")) - 1
    try:
        pids = [int(name) for name in os.listdir(_PROC) if name.isdecimal()]
    except OSError:
        return True
    return not pids or any(_uses(pid, below, first) for pid in pids)


def _uses(pid: int, below: bytes, first: int) -> bool:
    place = f"{_PROC}/{pid}"
    try:
        if os.stat(place).st_uid != os.geteuid():
            return False
        process = ProcessId.of(pid)
        if process is None or process.started < first:
            return False
        links = [*(f"{place}/{name}" for name in _LINKS), *(entry.path for entry in os.scandir(f"{place}/fd"))]
        if any(_read(link).startswith(below) for link in links):
            return True
        # A file may be closed that is still in memory.
        return below in Path(place, "maps").read_bytes()
    except OSError:  # it has ended, or hides
        return False


def _read(link: str) -> bytes:
    try:
        return os.readlink(os.fsencode(link)) + b"/"
    except OSError:
        return b""
