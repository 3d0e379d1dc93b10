"""Whether the kernel has ended a body because the machine, or its control group, had no memory left.

Bodies are what it ends first, whoever has taken the memory: one that held little of it has lost its machine for a
moment, and is to be tried again.
"""

from __future__ import annotations

import signal
from pathlib import Path

from msgspec import structs

from pulseq.models import AttemptResult, Reason
from pulseq.node.machine import find_groups, measure_memory

#: A body that held this share of the machine's memory, and was ended for want of it, is itself to blame.
BLAMED_SHARE = 0.5
_ROOT = Path("/")

Kills = tuple[int, ...]


class MachineMemory:
    """Counts what the kernel ends for want of memory.

    Args:
        root: where `/proc` and `/sys` are found.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        # Version 2 counts in `memory.events`, version 1 in `memory.oom_control`, the machine itself in `vmstat`.
        groups = list(find_groups(root, "memory"))
        names = ("memory.events", "memory.oom_control")
        files = [folder / name for folder in groups for name in names if (folder / name).exists()]
        self._files = [*files, root / "proc/vmstat"]
        self._bytes = measure_memory(root)

    def kills(self) -> Kills:
        """How many processes it has ended so far, by each that counts them; to be kept from before a start."""
        return tuple(_read_kills(file) for file in self._files)

    def judge(self, result: AttemptResult, before: Kills) -> AttemptResult:
        """The result of an attempt that began when there were `before` kills.

        A killed body is told from one that was ended for want of memory by these counts alone: in its time there
        was one more.
        """
        if not _was_killed(result) or all(now <= then for now, then in zip(self.kills(), before, strict=True)):
            return result
        return blame(result, self._bytes)


def blame(result: AttemptResult, machine_bytes: int) -> AttemptResult:
    """The result of a body that the kernel has ended for want of memory: `memory`, or lost with its machine."""
    held = result.metrics.get("memory_usage", 0.0)
    of_all = machine_bytes / 1e6
    error = f"its machine ran out of memory, and the kernel ended it; it held {held:.1f} of {of_all:.1f} MB"
    reason = Reason.MEMORY if held >= BLAMED_SHARE * of_all else Reason.NODE_LOST
    return structs.replace(result, reason=reason, error=error)


def _was_killed(result: AttemptResult) -> bool:
    """Whether it, or the process that kept it, was killed by nobody of ours."""
    return result.reason is Reason.CRASH and result.exit_code is None and result.signal in (None, signal.SIGKILL)


def _read_kills(file: Path) -> int:
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    counts = (line.partition(" ")[2] for line in lines if line.startswith("oom_kill "))
    return next((int(count) for count in counts if count.isdigit()), 0)
