"""Brings home what attempts left on their nodes: asked for, part by part, and never in the way of a verdict.

A node tells with the result of an attempt what there is. What is asked for travels by another way than what nodes
tell, in parts that a slow link is done with in a fraction of a second, a few of them under way at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulseq.artifacts import Artifact, LeftFile, safe_path, say_size
from pulseq.background import Background
from pulseq.cluster.cluster import LiveNode
from pulseq.cluster.node_client import NodeClient
from pulseq.events import ArtifactsKept, Event, RunNote
from pulseq.models import Key
from pulseq.protocol.from_node import AttemptEnd
from pulseq.run.artifact_folder import ArtifactFolder, DamagedFileError, Incoming

#: Files under way of one node, and of all.
_OF_A_NODE = 2
_IN_ALL = 4
#: Bytes asked for at a time: the first time, at least and at most.
FIRST_PART, LEAST_PART, MOST_PART = 256 * 1024, 64 * 1024, 4 * 1024 * 1024
#: A part that took less is followed by a larger one, one that took more by a smaller one: what a node has to tell
#: meanwhile shares its link.
_QUICK_SECONDS, _SLOW_SECONDS = 0.1, 0.5
#: The end of a run waits so long for what is still to come, and so long without a byte of it.
WAIT_SECONDS = 900.0
STALL_SECONDS = 30.0
#: A run that was stopped waits no longer than this.
STOPPED_WAIT_SECONDS = 1.0
#: What takes longer than this is told to whoever waits, and again after each so many seconds.
_SAY_AFTER_SECONDS = 1.0
_SAY_AGAIN_SECONDS = 15.0


class _NotHomeError(Exception):
    """A file does not come; the text says why."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What one attempt left."""

    node: LiveNode
    test: Key
    attempt: int
    files: tuple[LeftFile, ...]


@dataclass(slots=True)
class _FromNode:
    """What is to come from one start of a node, and how many bytes of it are asked for at a time."""

    node_id: str
    waiting: deque[_Parcel] = field(default_factory=deque)
    workers: int = 0
    part: int = FIRST_PART


@dataclass(slots=True)
class ArtifactFetching:
    """Fetches the artifacts of one run.

    Args:
        nodes: those that are there now.
        limit: most bytes in all; what is alike counts once.
        tell: takes an event once all of an attempt has come that comes.
    """

    run_id: str
    client: NodeClient
    nodes: Mapping[str, LiveNode]
    folder: ArtifactFolder
    limit: int
    tell: Callable[[Event], None]
    background: Background = field(default_factory=Background)
    _from: dict[str, _FromNode] = field(default_factory=dict)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IN_ALL))
    #: What has been told of, by test and attempt.
    _kept: dict[tuple[Key, int], tuple[Artifact, ...]] = field(default_factory=dict)
    #: Contents on their way, of which others wait for the end.
    _coming: dict[str, asyncio.Event] = field(default_factory=dict)
    _used: int = 0
    _given_up: str | None = None
    _enough: asyncio.Event = field(default_factory=asyncio.Event)
    #: What lets nodes forget, which may take them any time.
    _forgetting: Background = field(default_factory=Background)
    _files_left: int = 0
    _bytes_left: int = 0
    #: When the last part came.
    _came_at: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, node_id: str, end: AttemptEnd) -> None:
        """An attempt has ended and left files on its node."""
        node = self.nodes.get(node_id)
        if node is None:
            return
        self._files_left += len(end.artifacts)
        self._bytes_left += sum(file.bytes for file in end.artifacts)
        source = self._from.setdefault(node.incarnation or node.address, _FromNode(node_id))
        source.waiting.append(_Parcel(node, end.result.key, end.result.attempt, end.artifacts))
        if source.workers < _OF_A_NODE:
            source.workers += 1
            self.background.start(self._work(source), f"fetching artifacts from node {node_id}")

    async def settle(self, node_id: str) -> None:
        """Until all has come that a node has."""
        while any(one.node_id == node_id and (one.waiting or one.workers) for one in self._from.values()):
            self._changed.clear()
            await self._changed.wait()

    async def finish(self, *, skipped: asyncio.Event, is_stopped: Callable[[], bool]) -> None:
        """Until all has come, or no more does, or somebody does not wait for it any longer.

        Args:
            skipped: set when nobody waits any longer.
            is_stopped: whether the run was stopped before its end.
        """
        began = self._came_at = spoke = time.monotonic()
        said, why = False, ""
        while self._files_left:
            now = time.monotonic()
            why = "nobody waited for it" if skipped.is_set() else self._why_not_wait(now - began, stopped=is_stopped())
            if why:
                break
            if now - spoke >= (_SAY_AGAIN_SECONDS if said else _SAY_AFTER_SECONDS):
                spoke, said = now, True
                self.tell(RunNote(f"waiting for artifacts: {self._say_left()} to come; Ctrl-C goes on without"))
            await self._wait(skipped)
        await self.give_up(why)

    def _why_not_wait(self, waited: float, *, stopped: bool) -> str:
        if stopped and waited >= STOPPED_WAIT_SECONDS:
            return "the run was stopped"
        if waited >= WAIT_SECONDS:
            return f"the run waited {WAIT_SECONDS:g} s for it"
        return f"nothing came for {STALL_SECONDS:g} s" if time.monotonic() - self._came_at >= STALL_SECONDS else ""

    def _say_left(self) -> str:
        files = f"{self._files_left} file{'' if self._files_left == 1 else 's'}"
        return f"{files}, {say_size(max(self._bytes_left, 0))},"

    async def _wait(self, skipped: asyncio.Event) -> None:
        self._changed.clear()
        waiting = {asyncio.create_task(event.wait()) for event in (self._changed, skipped)}
        try:
            await asyncio.wait(waiting, timeout=_SAY_AFTER_SECONDS / 2, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def close(self) -> None:
        """End what goes on."""
        await self.background.end()
        await self._forgetting.end()

    async def give_up(self, why: str) -> None:
        """Let what has not come not come, and tell so."""
        if self._files_left:
            self._given_up = why
            self.tell(RunNote(f"went on without artifacts: {self._say_left()} did not come, since {why}"))
            self._enough.set()
            await self.background.settle()
        await asyncio.to_thread(self.folder.tidy)

    async def _work(self, source: _FromNode) -> None:
        try:
            while source.waiting:
                await self._bring_home(source.waiting.popleft(), source)
        finally:
            source.workers -= 1
            self._changed.set()

    async def _bring_home(self, parcel: _Parcel, source: _FromNode) -> None:
        """Bring home what an attempt left, and tell of it."""
        artifacts = []
        for file in parcel.files:
            path = trouble = None
            try:
                path = await self._bring_file(parcel, file, source)
            except _NotHomeError as error:
                trouble = str(error)
            name = safe_path(file.name.split("/"))  # as it is on the disk
            artifacts.append(Artifact(name, file.bytes, file.sha256, file.media_type, path, trouble))
        for file in parcel.files:
            self._files_left -= 1
            self._bytes_left -= file.bytes
        # A fixture of wider scope may have left more after its last test: the latest event has all.
        earlier = self._kept.get((parcel.test, parcel.attempt), ())
        names = {artifact.name for artifact in artifacts}
        all_of_it = (*(artifact for artifact in earlier if artifact.name not in names), *artifacts)
        self._kept[parcel.test, parcel.attempt] = all_of_it
        self.tell(ArtifactsKept(*parcel.test, parcel.attempt, parcel.node.id, all_of_it))
        if self._is_there(parcel.node) and self._given_up is None:
            sha256s = {file.sha256 for file in parcel.files}
            dropping = self.client.drop_artifacts(self.run_id, parcel.node.address, sha256s)
            self._forgetting.start(dropping, f"letting node {parcel.node.id} forget artifacts")

    async def _bring_file(self, parcel: _Parcel, file: LeftFile, source: _FromNode) -> str:
        while (coming := self._coming.get(file.sha256)) is not None:
            await coming.wait()
        if not self.folder.has(file.sha256):
            self._coming[file.sha256] = done = asyncio.Event()
            try:
                async with self._free:
                    await self._fetch(parcel.node, file, source)
            finally:
                del self._coming[file.sha256]
                done.set()
        try:
            return await asyncio.to_thread(self.folder.put, parcel.test, parcel.attempt, file.name, file.sha256)
        except OSError as error:
            raise _NotHomeError(f"it cannot be written: {error.strerror}") from error

    async def _fetch(self, node: LiveNode, file: LeftFile, source: _FromNode) -> None:
        if self._used + file.bytes > self.limit:
            raise _NotHomeError(f"over the artifacts_limit of the run, {say_size(self.limit)}")
        self._used += file.bytes
        incoming: Incoming | None = None
        try:
            incoming = await asyncio.to_thread(self.folder.receive, file.sha256)
            offset = 0
            while offset < file.bytes:
                data = await self._ask(node, file, offset, source)
                await asyncio.to_thread(incoming.write, data)
                offset += len(data)
            await asyncio.to_thread(incoming.finish)
            self.folder.keep(incoming)
            incoming = None
        except DamagedFileError as error:
            raise _NotHomeError(str(error)) from error
        except OSError as error:
            raise _NotHomeError(f"it cannot be written: {error.strerror}") from error
        finally:
            if incoming is not None:
                incoming.abandon()
                self._used -= file.bytes

    async def _ask(self, node: LiveNode, file: LeftFile, offset: int, source: _FromNode) -> bytes:
        """The next part of a file."""
        if self._given_up is not None:
            raise _NotHomeError(self._given_up)
        if not self._is_there(node):
            raise _NotHomeError(f"node {node.id} was lost before")
        length = min(source.part, file.bytes - offset)
        began = time.monotonic()
        try:
            data = await self._unless_enough(
                self.client.fetch_artifact(self.run_id, node.address, file.sha256, offset, length)
            )
        except _NotHomeError:
            raise
        except Exception as error:
            # Whatever it was that the node said.
            raise _NotHomeError(f"node {node.id} could not send it: {error}") from error
        if data is None or not 0 < len(data) <= length:
            raise _NotHomeError(f"node {node.id} has it no more")
        self._came_at = time.monotonic()
        self._fit_part(source, len(data), self._came_at - began)
        return data

    async def _unless_enough(self, asking: Coroutine[Any, Any, bytes | None]) -> bytes | None:
        """What a node answers; it may take any time to, and nobody may want to wait for it any more."""
        answer, enough = asyncio.ensure_future(asking), asyncio.ensure_future(self._enough.wait())
        try:
            await asyncio.wait({answer, enough}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise _NotHomeError(self._given_up)
            return answer.result()
        finally:
            answer.cancel()
            enough.cancel()

    def _fit_part(self, source: _FromNode, length: int, seconds: float) -> None:
        if length == source.part and seconds < _QUICK_SECONDS:
            source.part = min(2 * source.part, MOST_PART)
        elif seconds > _SLOW_SECONDS:
            source.part = max(source.part // 2, LEAST_PART)

    def _is_there(self, node: LiveNode) -> bool:
        """Whether a node is the one that told of its files: another start of it has none of them."""
        return self.nodes.get(node.id) is node
