"""What a test failed for that is its machine's: no memory, no space on the disk, a workspace that somebody has removed.

Of memory the kernel tells by what it has ended. Bodies are that first, whoever has taken the memory: one that held
little of it has lost its machine for a moment, and is to be tried again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from pulseq.background import Background
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Reason, Status
from pulseq.node.machine import find_groups, measure_memory
from pulseq.pytest_sessions import Collection

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


#: With less, what runs a test cannot write what it has to.
LEAST_FREE_BYTES = 1_000_000
#: What was too little is enough again from here on.
ENOUGH_FREE_BYTES = 2 * LEAST_FREE_BYTES
#: How long after a machine was found to lack something it is looked at again: first, and at most. Each time that it
#: lacks something once more it takes twice as long.
LOOK_AGAIN_SECONDS = (1.0, 30.0)
#: Enough for a disk that has no room for this user, whatever it has for others.
_TRIED_BYTES = 65_536


class MachineWant:
    """What the machine lacks for the tests of one run, told once, and again when it is there.

    Args:
        temporary: where the node and its bodies write.
        workspace: the tree of the project there; None where the project is at its own place.
        tell: given what is lacking, and None once nothing is any more.

    Attributes:
        lacking: in words; None where all is there.
    """

    def __init__(
        self, temporary: Path, workspace: str | None, tell: Callable[[str | None], None], background: Background
    ) -> None:
        self._temporary = temporary
        self._workspace = workspace
        self._tell = tell
        self._background = background
        self._pause, self._longest_pause = LOOK_AGAIN_SECONDS
        self.lacking: str | None = None

    def look(self) -> str | None:
        """What is lacking now."""
        return self._note(self._find())

    def judge(self, result: AttemptResult) -> AttemptResult:
        """The result of an attempt; where its machine had not what it needed, it is lost with that, and goes elsewhere.

        One that had a body may have filled the disk itself; the next would fail there all the same.
        """
        is_bad = result.status in (Status.FAILED, Status.ERROR) and not result.rerun
        if not is_bad or result.reason in INFRASTRUCTURE_REASONS:
            return result
        why = self._note(self._find(by_writing=True))
        could_begin = result.reason not in (Reason.SETUP, Reason.INTERNAL) or _has_run(result)
        if why is None or (could_begin and _say_removed(self._workspace) is None):
            return result
        error = f"{why}: {result.error}"
        return structs.replace(result, status=Status.ERROR, reason=Reason.NODE_LOST, error=error, short=why)

    def judge_collection(self, collection: Collection) -> Collection:
        """What a session has collected; where it could not for what its machine has not, with that."""
        if collection.usage_error is None:
            return collection
        return replace(collection, machine_wants=self._note(self._find(by_writing=True)))

    def _find(self, *, by_writing: bool = False, least: int = LEAST_FREE_BYTES) -> str | None:
        if removed := _say_removed(self._workspace):
            return removed
        # Trees of projects are beside each other: what is written to try is in none of them.
        beside = [] if self._workspace is None else [Path(self._workspace).parent]
        told = (find_want(place, least, by_writing=by_writing) for place in (self._temporary, *beside))
        return next(filter(None, told), None)

    def _note(self, why: str | None) -> str | None:
        if why is not None and self.lacking is None:
            self.lacking = why
            self._tell(why)
            self._background.start(self._wait(), "waiting for what this machine lacks")
        return why

    async def close(self) -> None:
        """Look no more."""
        await self._background.end()

    async def _wait(self) -> None:
        pause, self._pause = self._pause, min(2 * self._pause, self._longest_pause)
        while self.lacking:
            await asyncio.sleep(pause)
            if await asyncio.to_thread(self._find, by_writing=True, least=ENOUGH_FREE_BYTES) is None:
                self.lacking = None
        self._tell(None)


def find_want(directory: Path, least: int = LEAST_FREE_BYTES, *, by_writing: bool = False) -> str | None:
    """What a directory lacks for tests to write there, in words; None where it lacks nothing.

    Args:
        least: bytes that are to be free.
        by_writing: whether to write something, as quotas show in no other way.
    """
    try:
        disk = os.statvfs(directory)
        free = disk.f_frsize * (disk.f_bavail if os.geteuid() else disk.f_bfree)  # some is kept for root
        # File systems that do not count say that there is none of anything.
        if (disk.f_blocks and free < least) or (disk.f_files and not disk.f_favail):
            return f"the disk of its machine is full, at {directory}"
        if by_writing:
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(bytes(_TRIED_BYTES))
    except OSError as error:
        return f"nothing can be written on its machine, at {directory}: {error.strerror or error}"
    return None


def _say_removed(workspace: str | None) -> str | None:
    if workspace is None or os.path.isdir(workspace):
        return None
    return "the project that was brought to its machine has been removed"


def _has_run(result: AttemptResult) -> bool:
    """Whether there was a body, which may have filled the disk itself."""
    return result.metrics.get("memory_usage", 0.0) > 0.0
