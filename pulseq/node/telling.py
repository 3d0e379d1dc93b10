"""What a run on a node tells its driver: gathered for a moment, and of attempts with the files that they left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from msgspec.structs import replace

from pulseq.artifacts import ALL, ArtifactRules
from pulseq.background import Background
from pulseq.execution.runtime.artifact_files import Collector
from pulseq.execution.runtime.blotting import Blotter
from pulseq.execution.runtime.body_environment import make_place, remove_tree
from pulseq.execution.runtime.found_files import Mark
from pulseq.models import AttemptResult, CommandBody, Key, Reason, Status, TestCase
from pulseq.node.junit_cases import find_cases, note_files
from pulseq.node.kept_artifacts import KeptArtifacts
from pulseq.protocol.from_node import AttemptEnd, CasesFound, NodeMessage

_BAD = (Status.FAILED, Status.ERROR)

T = TypeVar("T")

#: So long after the last message it is sent: what takes longer than this is known while it runs.
QUIET_SECONDS = 0.01
#: So long where many more like it are to be expected: items of a pack, most of which take milliseconds.
BUSY_QUIET_SECONDS = 0.03
#: As long as messages keep coming, so long after the first, and after the first that is not like that: each
#: journey costs node, scheduler and driver some five milliseconds of a processor.
LONGEST_BUSY_SECONDS = 0.1
LONGEST_SECONDS = 0.05


class Outbox(Generic[T]):
    """Messages to one receiver, sent in the order in which they were put here, those of a moment together.

    Args:
        send: takes all that was gathered.
    """

    def __init__(self, send: Callable[[list[T]], None]) -> None:
        self._send = send
        self._messages: list[T] = []
        self._quiet_at = self._latest = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, message: T, *, busy: bool = False) -> None:
        """Have a message sent soon; a `busy` one may wait a little longer for those that will follow it."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._quiet_at = now + (BUSY_QUIET_SECONDS if busy else QUIET_SECONDS)
        latest = now + (LONGEST_BUSY_SECONDS if busy else LONGEST_SECONDS)
        self._latest = min(self._latest, latest) if self._messages else latest
        self._messages.append(message)
        if self._timer is None or (not busy and self._timer.when() > self._due):
            self._set_timer(loop)

    def flush(self) -> None:
        """Send what there is now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._messages:
            messages, self._messages = self._messages, []
            self._send(messages)

    @property
    def _due(self) -> float:
        return min(self._quiet_at, self._latest)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._due, self._flush_when_due)

    def _flush_when_due(self) -> None:
        # Most messages only move the moment: to set the timer anew for each would cost more than to look again.
        loop = asyncio.get_running_loop()
        if self._due > loop.time():
            self._set_timer(loop)
        else:
            self.flush()


@dataclass(frozen=True, slots=True)
class FilesBefore:
    """What was there before the body of a test started, where its files matter.

    Attributes:
        junit: marks of JUnit files; None where no cases are looked for.
        collector: has noted what the globs for artifacts find; None where there are none.
    """

    junit: frozenset[Mark] | None = None
    collector: Collector | None = None


class AttemptEnds:
    """Tells what attempts came to: JUnit files become cases, other files are kept for the driver.

    To look through files takes a thread and its time. Nothing else waits for that but the end of the task run, so that
    of one test everything is told in its order.

    Args:
        tell: sends a message to the driver, one of a pack where it is given true.
        temp_root: where bodies have their directories.
        blotter: blots secrets out of ids and texts in files.
    """

    def __init__(
        self,
        tell: Callable[[NodeMessage, bool], None],
        temp_root: Path,
        background: Background,
        blotter: Blotter | None = None,
    ) -> None:
        self._blotter = blotter
        self.kept = KeptArtifacts(temp_root)
        self._tell = tell
        self._temp_root = temp_root
        self._background = background
        #: What looks through the files of items, the latest of each.
        self._looking: dict[Key, asyncio.Task[None]] = {}

    async def note_files(self, test: TestCase) -> FilesBefore:
        """Look at the files of a test whose body is about to start."""
        if not test.artifacts.globs and not leaves_cases(test):
            return FilesBefore()
        return await asyncio.to_thread(_note_files, test)

    async def tell_test(self, test: TestCase, result: AttemptResult, before: FilesBefore, left: str | None) -> None:
        """Tell the cases that an attempt left, then what it came to.

        Args:
            left: the directory with what it put where artifacts are put; None where that is nothing.
        """
        is_bad = result.status in _BAD
        if before.junit is not None and result.reason is not Reason.NODE_LOST:
            found = await asyncio.to_thread(_find_cases, test, result, before.junit, self._blotter)
            is_bad = is_bad or any(case.status in _BAD for case in (*found.cases, *found.bad_files))
            self._tell(found, False)
        if before.collector is not None and before.collector.wants("failed" if is_bad else "passed"):
            left, warnings = await asyncio.to_thread(self._collect, before.collector, left)
            result = replace(result, warnings=(*result.warnings, *warnings))
        await self._tell_end(result, test.artifacts, left, is_bad=is_bad)

    def tell_item(
        self, result: AttemptResult, rules: ArtifactRules, left: str | None = None, *, busy: bool = False
    ) -> None:
        """Tell what a pytest item came to: at once where it left nothing. See `settle`."""
        earlier = self._looking.get(result.key)
        if left is None and earlier is None:
            self._tell(AttemptEnd(result), busy)
            return
        looking = self._look(earlier, result, rules, left)
        task = self._looking[result.key] = self._background.start(looking, f"looking at what {result.test_id} left")
        task.add_done_callback(lambda done: self._forget(result.key, done))

    async def settle(self, tests: Iterable[Key] | None = None) -> None:
        """Until all is told of these items, or of all."""
        if looking := {task for key in tests or [*self._looking] if (task := self._looking.get(key))}:
            await asyncio.wait(looking)

    async def close(self) -> None:
        """Remove what is left on the disk."""
        await self.kept.close()

    async def _look(
        self, earlier: asyncio.Task[None] | None, result: AttemptResult, rules: ArtifactRules, left: str | None
    ) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        await self._tell_end(result, rules, left, is_bad=result.status in _BAD)

    def _forget(self, key: Key, done: asyncio.Task[None]) -> None:
        if self._looking.get(key) is done:
            del self._looking[key]

    async def _tell_end(self, result: AttemptResult, rules: ArtifactRules, left: str | None, *, is_bad: bool) -> None:
        if left is None:
            self._tell(AttemptEnd(result), False)
            return
        if not is_bad and rules.of != ALL:
            self._tell(AttemptEnd(result), False)
            await asyncio.to_thread(remove_tree, left)
            return
        try:
            files, warnings = await self.kept.take(left, rules.limit)
        except Exception as error:  # noqa: BLE001 - the result of the attempt is told all the same
            files, warnings = (), (f"its artifacts could not be kept: {error!r}",)
        self._tell(AttemptEnd(replace(result, warnings=(*result.warnings, *warnings)), files), False)

    def _collect(self, collector: Collector, left: str | None) -> tuple[str | None, list[str]]:
        places = [] if left is None else [left]

        def the_place() -> str:
            if not places:
                places.append(make_place(str(self._temp_root)))
            return places[0]

        warnings = collector.collect(the_place)
        return (places[0] if places else None), warnings


def leaves_cases(test: TestCase) -> bool:
    """Whether the cases in JUnit files are to become tests."""
    return isinstance(test.body, CommandBody) and bool(test.body.junit)


def _note_files(test: TestCase) -> FilesBefore:
    rules, collector = test.artifacts, None
    if rules.globs:
        collector = Collector({"globs": rules.globs, "of": rules.of, "limit": rules.limit, "cwd": test.cwd})
        collector.note()
    return FilesBefore(note_files(test) if leaves_cases(test) else None, collector)


def _find_cases(test: TestCase, result: AttemptResult, before: frozenset[Mark], blotter: Blotter | None) -> CasesFound:
    try:
        return find_cases(test, result, before, blotter)
    except Exception as error:  # noqa: BLE001 - the result of the attempt is told all the same
        return CasesFound(test.id, test.variant, (), f"the JUnit files could not be read: {error!r}")
