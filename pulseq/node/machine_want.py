"""What a test failed for that is its machine's: no space on the disk, or a workspace that somebody has removed."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from pulseq.background import Background
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Reason, Status
from pulseq.pytest_sessions import Collection

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
