"""A run's project on its way to hosts: to each once, however many nodes it has."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from pulseq.capabilities import match
from pulseq.cluster.cluster import LiveNode
from pulseq.cluster.node_client import NodeClient
from pulseq.errors import InfrastructureError
from pulseq.models import Reason, Suite, TestCase
from pulseq.processes.idle_processors import IdleProcessors
from pulseq.projects.packs import ChangedSinceError, Pack, choose_packs, plan_packs, read_pack
from pulseq.projects.prepare_order import make_order
from pulseq.projects.project_root import (
    Told,
    all_tests,
    find_left_behind,
    find_named_outside,
    find_outside,
    find_root,
    refuse,
    say,
)
from pulseq.projects.read_manifest import read_manifest
from pulseq.protocol.coding import encode
from pulseq.protocol.entry_points import SealedMessage
from pulseq.protocol.project_files import Done, Manifest, Workspace
from pulseq.protocol.to_node import NO_VARIABLES, BodyVariables, MakeWorkspace, OfferProject, Order

#: Messages on their way to one host at a time.
AT_ONCE = 4
#: Encoded messages that are kept for the next host.
_KEPT_MESSAGES = 8
#: Messages are compressed while so many processors have nothing to do, and where the way takes longer than that.
_IDLE_PROCESSORS = 0.5
#: How often a project is read, or offered, again: it was written to, or a host had damaged blobs.
_TURNS = 3
_NOTE_SECONDS = 1.0
#: Of what failed to make a project ready so many lines are told with each test that does not run for that.
_TOLD_LINES = 12


class UnfitHostError(InfrastructureError):
    """A host cannot have the project of a run; `reason` is that of tests which for that end without having run."""

    def __init__(self, why: str, reason: Reason = Reason.INTERNAL) -> None:
        super().__init__(why)
        self.reason = reason


class Shipping:
    """Brings the project of a run to the hosts of its nodes.

    Args:
        ship: whether it goes to all nodes, or to none; None sends it to those that are not local.
        home: the state directory.
        store_bytes: how much a host may keep, where nobody there has said otherwise.
        tell: given a line for whoever watches the run.
    """

    def __init__(
        self,
        suite: Suite,
        run_id: str,
        client: NodeClient,
        *,
        ship: bool | None,
        home: Path,
        tell: Callable[[str], None],
        store_bytes: int,
    ) -> None:
        self._suite = suite
        self._run_id = run_id
        self._client = client
        self._ship = ship
        self._home = home
        self._store_bytes = store_bytes
        self._tell = tell
        self._reading: asyncio.Task[_Project] | None = None
        self._stores: dict[str, asyncio.Task[str]] = {}
        self._told: set[str] = set()
        self._is_over = False

    def concerns(self, node: LiveNode) -> bool:
        """Whether a node gets the project, and does not have it at the paths that the driver has."""
        return node.way != "local" if self._ship is None else self._ship

    async def read(self, nodes: Sequence[LiveNode] | None = None) -> Manifest:
        """The project as it is sent; read once.

        Args:
            nodes: that are to get it; None where each test may get to one that does.

        Raises:
            UsageError: it cannot be sent, or tests that fit these nodes need what is not.
        """
        project = await self._read()
        concerns = all_tests if self._ship or nodes is None else functools.partial(_fits_any, nodes)
        refuse(project.unsendable, concerns)
        self._tell_once(say(project.named_outside, concerns).splitlines())
        return project.manifest

    async def _read(self) -> _Project:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_now())
        return await asyncio.shield(self._reading)

    async def _read_now(self) -> _Project:
        project = await asyncio.to_thread(self._read_here)
        self._tell_once(project.notes)
        return project

    def _tell_once(self, notes: Iterable[str]) -> None:
        for note in notes:
            if note not in self._told:
                self._told.add(note)
                self._tell(note)

    def _read_here(self) -> _Project:
        root = find_root(self._suite)
        read = read_manifest(root, self._suite.project, home=self._home)
        manifest = _with_directories(read.manifest, self._suite)
        sent = {file.path for file in manifest.files} | {path for path, _ in manifest.links}
        if self._suite.project.prepare is not None:
            make_order(self._suite.project.prepare, manifest)  # which refuses what cannot be
        unsendable = (*find_outside(self._suite, root), *find_left_behind(self._suite, root, sent))
        return _Project(manifest, read.notes, unsendable, tuple(find_named_outside(self._suite, root)))

    async def bring(self, node: LiveNode, bodies: BodyVariables = NO_VARIABLES) -> Workspace | None:
        """Have the project on a node's host; where it is there, or None where the node does not get it.

        Args:
            bodies: the environment of what makes it ready there.

        Raises:
            UnfitHostError: the host cannot have it.
            UsageError: it cannot be sent.
            OSError: the node is gone.
            CancelledError: nothing is sent any more.
        """
        if not self.concerns(node):
            return None
        if not node.store:
            raise UnfitHostError(
                "it has no directory for projects: name one that it can write, `directory` of the node"
            )
        root = (await self.read([node])).root
        while True:
            if self._is_over:
                raise asyncio.CancelledError
            sending = self._stores.get(node.store)
            mine = sending is None
            if sending is None:
                sending = self._stores[node.store] = asyncio.create_task(self._send(node, bodies))
                sending.add_done_callback(_retrieve)
            try:
                place = await asyncio.shield(sending)
                break
            except OSError:
                # The node that took it for its host is gone: the next one does.
                if self._stores.get(node.store) is sending:
                    del self._stores[node.store]
                if mine:
                    raise
        real = os.path.realpath(root)
        return Workspace(root, place, () if real == root else (real,))

    def forget(self, node: LiveNode) -> None:
        """What was brought to a node's host is not there any more."""
        if (sending := self._stores.get(node.store)) is not None and sending.done():
            del self._stores[node.store]

    async def end(self) -> None:
        """Send nothing more; who waits for it to be brought is cancelled."""
        self._is_over = True
        tasks = [task for task in (*self._stores.values(), self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, node: LiveNode, bodies: BodyVariables) -> str:
        why = ""
        for _ in range(_TURNS):
            project = await self._read()
            offer = OfferProject(project.manifest, self._store_bytes)
            lacking = await self._client.offer_project(self._run_id, node.address, offer)
            if lacking.trouble is not None:
                raise UnfitHostError(lacking.trouble)
            try:
                await _Sending(self._client, self._run_id, node, project, self._tell).run(lacking.digests)
            except ChangedSinceError as error:
                why = str(error)
                await self._read_again(project, why)
                continue
            except _Again as error:
                why = str(error)
                continue
            if project is not await self._read():
                continue
            prepare = self._suite.project.prepare
            made = make_order(prepare, project.manifest) if prepare else None
            order = Order(self._run_id, MakeWorkspace(made, bodies))
            done = await self._client.send_project(node.address, SealedMessage(encode(order)))
            if not done.again:
                if done.output is not None:
                    raise UnfitHostError(_say_output(done), Reason.SETUP)
                if done.trouble is not None:
                    raise UnfitHostError(done.trouble)
                return done.place
            why = done.trouble or why
        raise UnfitHostError(f"the project could not be brought there in {_TURNS} turns: {why}")

    async def _read_again(self, project: _Project, why: str) -> None:
        """Read a project that was written to meanwhile, unless a host has it by now as it was."""
        if any(_is_there(sending) for sending in self._stores.values()):
            raise UnfitHostError(f"{why}, and another host has it as it was before: it cannot have the same")
        if self._reading is not None and self._reading.done() and self._reading.result() is project:
            self._tell(f"the project is read again: {why}")
            self._reading = None


class _Project:
    """A project that is sent: its packs, and the messages of those that were sent last.

    Args:
        unsendable: tests that need what is not sent.
        named_outside: tests that may.
    """

    def __init__(
        self,
        manifest: Manifest,
        notes: tuple[str, ...],
        unsendable: tuple[Told, ...],
        named_outside: tuple[Told, ...],
    ) -> None:
        self.manifest = manifest
        self.notes = notes
        self.unsendable = unsendable
        self.named_outside = named_outside
        self.root = Path(manifest.root)
        self.packs = plan_packs(manifest)
        self._idle = IdleProcessors()
        self._compressing_byte: float | None = None
        self._messages: OrderedDict[tuple[int, bool], asyncio.Task[bytes]] = OrderedDict()

    async def encode(self, run_id: str, pack: Pack, *, is_far: bool, way_byte: float | None) -> bytes:
        """The message that carries a pack: made once for hosts that get it at about the same time.

        Compressed are those that go far, while this machine has a processor for it, or the way takes longer: where
        all are busy, it may not be the network that is waited for.

        Args:
            way_byte: seconds that a byte of the last message to that host took; None before there was one.
        """
        compress = is_far and ((id(pack), True) in self._messages or self._pays(way_byte))
        key = (id(pack), compress)
        making = self._messages.get(key)
        if making is None:
            making = asyncio.create_task(asyncio.to_thread(self._encode, run_id, pack, compress))
            making.add_done_callback(_retrieve)
            self._messages[key] = making
            while len(self._messages) > _KEPT_MESSAGES:
                self._messages.popitem(last=False)
        return await asyncio.shield(making)

    def _pays(self, way_byte: float | None) -> bool:
        idle = self._idle.count()
        if idle is None or idle >= _IDLE_PROCESSORS:
            return True
        if way_byte is None or self._compressing_byte is None:
            return True  # which tells what it takes
        # A message has the way for itself for a part of its time alone.
        return way_byte / AT_ONCE > self._compressing_byte

    def _encode(self, run_id: str, pack: Pack, compress: bool) -> bytes:
        began = time.monotonic()
        blobs = read_pack(self.root, pack, compress=compress)
        if blobs.compressed:
            self._compressing_byte = (time.monotonic() - began) / _size_of(pack)
        return encode(Order(run_id, blobs))

    def forget_messages(self) -> None:
        """Keep no message any longer."""
        self._messages.clear()


class _Again(Exception):
    """What was sent has not come as it was: it has to be offered once more."""


class _Sending:
    """What one host lacks of a project, on its way there."""

    def __init__(
        self, client: NodeClient, run_id: str, node: LiveNode, project: _Project, tell: Callable[[str], None]
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._node = node
        self._project = project
        self._tell = tell
        self._began = self._told_at = time.monotonic()
        self._sent = self._total = 0
        self._way_byte: float | None = None

    async def run(self, lacking: Sequence[bytes]) -> None:
        """Send it all.

        Raises:
            ChangedSinceError: the project has been written to.
            OSError: the node is gone.
        """
        if not lacking:
            return
        packs = choose_packs(self._project.packs, lacking)
        self._total = sum(map(_size_of, packs))
        waiting = iter(packs)
        workers = [asyncio.create_task(self._work(waiting)) for _ in range(min(AT_ONCE, len(packs)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._project.forget_messages()
        took = time.monotonic() - self._began
        count = f"{len(lacking):,} of {len(self._project.manifest.files):,} files"
        self._tell(f"node {self._node.id} has got {count} of the project, {_say_size(self._total)} in {took:.1f} s")

    async def _work(self, packs: Iterator[Pack]) -> None:
        for pack in packs:
            is_far = self._node.way != "local"
            message = await self._project.encode(self._run_id, pack, is_far=is_far, way_byte=self._way_byte)
            began = time.monotonic()
            done = await self._client.send_project(self._node.address, message)
            self._way_byte = (time.monotonic() - began) / len(message)
            if done.again:
                raise _Again(done.trouble)
            if done.trouble is not None:
                raise UnfitHostError(done.trouble)
            self._sent += _size_of(pack)
            self._tell_progress()

    def _tell_progress(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= _NOTE_SECONDS and self._sent < self._total:
            self._told_at = now
            self._tell(f"node {self._node.id} gets the project: {_say_size(self._sent)} of {_say_size(self._total)}")


def _with_directories(manifest: Manifest, suite: Suite) -> Manifest:
    """The project with the directories that its tests begin in, also where they have no file that travels."""
    below = (os.path.relpath(cwd, manifest.root) for cwd in {test.cwd for test in suite.tests})
    wanted = {path for path in below if path != "." and not path.startswith(os.pardir)}
    return replace(manifest, directories=tuple(sorted({*manifest.directories, *wanted})))


def _fits_any(nodes: Iterable[LiveNode], test: TestCase) -> bool:
    return any(match(test.requirements, node.capabilities).fits for node in nodes)


def _is_there(sending: asyncio.Task[str]) -> bool:
    return sending.done() and not sending.cancelled() and sending.exception() is None


def _say_output(done: Done) -> str:
    lines = [line for line in (done.output or "").splitlines() if line.strip()]
    return "\n  ".join([f"{done.trouble}; its last output:", *lines[-_TOLD_LINES:]]) if lines else str(done.trouble)


def _retrieve(task: asyncio.Task[object]) -> None:
    if not task.cancelled():
        task.exception()


def _size_of(pack: Pack) -> int:
    return sum(piece.length for piece in pack)


def _say_size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 10_000_000 else f"{size / 1e6:,.0f} MB"
