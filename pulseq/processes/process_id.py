"""A process as it can be named on disk: its number alone may be somebody else's tomorrow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pulseq.processes.handle import ProcessHandle

_PROC = Path("/proc")
#: Where the start time stands in `/proc/PID/stat`, counted behind the program's name.
_START_FIELD = 19


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for as long as it lives: `started` is the kernel's, in ticks since the machine came up."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this number now, or None where none has (a zombie is none)."""
        started = _read_start(pid)
        return None if started is None else cls(pid, started)

    @property
    def alive(self) -> bool:
        return _read_start(self.pid) == self.started

    def read_environment(self) -> dict[str, str]:
        """The variables that the process was started with; none where it has ended or is not ours to read."""
        try:
            told = os.fsdecode((_PROC / str(self.pid) / "environ").read_bytes())
        except OSError:
            return {}
        return dict(pair.split("=", 1) for pair in told.split("\0") if "=" in pair) if self.alive else {}

    def has_open(self, path: Path) -> bool:
        """Whether the process has this very file open; False also where that is not ours to see."""
        try:
            wanted = path.stat()
            descriptors = list((_PROC / str(self.pid) / "fd").iterdir())
        except OSError:
            return False
        return any(_leads_to(descriptor, wanted) for descriptor in descriptors) and self.alive

    def signal(self, number: int) -> None:
        """Send a signal to this very process; nothing where it has ended."""
        with self._held() as handle:
            if handle is not None:
                handle.signal(number)

    def wait(self, timeout_seconds: float) -> bool:
        """Until the process has ended, or the time is over; whether it has ended."""
        with self._held() as handle:
            return handle is None or handle.has_ended(timeout_seconds)

    @contextlib.contextmanager
    def _held(self) -> Iterator[ProcessHandle | None]:
        # First the handle, then the look: what it refers to cannot change any more.
        try:
            handle = ProcessHandle(self.pid)
        except ProcessLookupError:
            yield None
            return
        with handle:
            yield handle if self.alive else None


def _leads_to(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), wanted)
    except OSError:  # closed meanwhile
        return False


def _read_start(pid: int) -> int | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[_START_FIELD])
    except (OSError, IndexError, ValueError):
        return None
