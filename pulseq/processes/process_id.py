"""A process as it can be named on disk: its number alone may be somebody else's tomorrow."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError), self._opened() as descriptor:
            if descriptor is not None:
                signal.pidfd_send_signal(descriptor, number)

    def wait(self, timeout_seconds: float) -> bool:
        """Until the process has ended, or the time is over; whether it has ended."""
        with self._opened() as descriptor:
            if descriptor is None:
                return True
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(max(0.0, timeout_seconds) * 1000))

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int | None]:
        # First the handle, then the look: what it refers to cannot change any more.
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            yield descriptor if self.alive else None
        finally:
            os.close(descriptor)


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
