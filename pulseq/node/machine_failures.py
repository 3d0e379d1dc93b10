"""What a test failed for that is its machine's: no memory, no space on the disk, a workspace that somebody has removed.

Of memory the kernel tells by what it has ended. Bodies are that first, whoever has taken the memory: one that held
little of it has lost its machine for a moment, and is to be tried again.
"""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Reason, Status
from pulseq.node.machine import find_groups, measure_memory
from pulseq.pytest_sessions import Collection

#: With less, what runs a test cannot write what it has to.
LEAST_FREE_BYTES = 1_000_000

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


def blame_machine(result: AttemptResult, temporary: Path, workspace: str | None) -> AttemptResult:
    """The result of an attempt; where its machine had not what it needed, it is lost with that, and goes elsewhere.

    Args:
        temporary: where the node and its bodies write.
        workspace: the tree of the project there; None where the project is at its own place.
    """
    if result.status not in (Status.FAILED, Status.ERROR) or result.reason in INFRASTRUCTURE_REASONS or result.rerun:
        return result
    why = _say_removed(workspace)
    if why is None and result.reason in (Reason.SETUP, Reason.INTERNAL) and not _has_run(result):
        why = _say_full(temporary)
    if why is None:
        return result
    error = f"{why}: {result.error}"
    return structs.replace(result, status=Status.ERROR, reason=Reason.NODE_LOST, error=error, short=why)


def blame_for_collection(collection: Collection, temporary: Path, workspace: str | None) -> Collection:
    """What a session has collected; where it could not for what its machine has not, with that."""
    if collection.usage_error is None:
        return collection
    return replace(collection, machine_wants=_say_removed(workspace) or _say_full(temporary))


def _say_removed(workspace: str | None) -> str | None:
    if workspace is None or os.path.isdir(workspace):
        return None
    return "the project that was brought to this machine has been removed"


def _say_full(directory: Path) -> str | None:
    return f"the disk of this machine is full, at {directory}" if _is_full(directory) else None


def _has_run(result: AttemptResult) -> bool:
    """Whether there was a body, which may have filled the disk itself."""
    return result.metrics.get("memory_usage", 0.0) > 0.0


def _is_full(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free < LEAST_FREE_BYTES
    except OSError:
        return True
