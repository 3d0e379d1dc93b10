"""The projects of runs on a node: it says what its host lacks, takes that, and has a tree made of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pulseq.blobs import grow
from pulseq.errors import InfrastructureError
from pulseq.execution.executor import Executor
from pulseq.node.blob_store import BlobStore, DamagedBlobError
from pulseq.node.kept_trees import KeptTrees
from pulseq.node.path_translation import PathTranslation
from pulseq.node.preparing import PrepareError, Preparing, forget_old_outputs, kept_outputs
from pulseq.node.surroundings import Surroundings
from pulseq.node.tree_note import State
from pulseq.node.workspaces import Claim, NoSuchNameError, UnwantedError, Workspaces, make_tree
from pulseq.ownership import close_to_others, is_foreign
from pulseq.protocol.project_files import Done, Lacking, Manifest, Workspace
from pulseq.protocol.to_node import BodyVariables, MakeWorkspace, OfferProject, PutBlobs

#: What a disk has to have left beside a project.
_SPARE_BYTES = 50_000_000
#: The part of what is kept that trees may have where blobs would take all of it.
_SHARE_OF_TREES = 1 / 4


def default_directory() -> Path:
    """Where a host keeps projects, unless it was told: `$XDG_CACHE_HOME/pulseq`, else `~/.cache/pulseq`."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):
        return Path(named, "pulseq")
    home = os.path.expanduser("~")
    # Without a home there is no place, which is told once one is needed.
    return Path(home if os.path.isabs(home) else os.devnull, ".cache", "pulseq")


@dataclass(slots=True)
class _ProjectOfRun:
    manifest: Manifest | None = None
    store_bytes: int = 0
    claim: Claim | None = None
    #: Whether the tree is made, and the project ready.
    is_ready: bool = False
    preparing: Preparing | None = None
    is_left: bool = False
    #: Held while the tree is made: until that has ended its place stays this run's.
    making: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Holds what was found in the store until there is a tree of it.
    using: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


#: Runs commands, has a directory for what they write, and tells a run their lines.
#: What runs a command that a driver asks for, and what that finds of variables.
Surround = Callable[[BodyVariables], Awaitable[tuple[Executor, Surroundings]]]
_Means = tuple[Surround, Path, Callable[[str, str], None]]


class HostProjects:
    """What this node keeps of the projects of runs, in a directory that it may share with other nodes of its host.

    Args:
        directory: None is the usual place.
        store_bytes: how much may be kept between runs; None leaves it to those who send projects.

    Attributes:
        store_id: the same for all nodes that share the directory; empty where there can be none.
    """

    def __init__(self, directory: str | Path | None = None, store_bytes: int | None = None) -> None:
        # Bodies see real paths, so these are what has to be translated.
        place = Path(os.path.realpath(os.path.expanduser(directory or default_directory())), "projects")
        self._place = place
        self._prepared = place / "prepared"
        self._store = BlobStore(place)
        self._trees = KeptTrees(place / "trees")
        # What bodies see is short: sockets have 108 bytes for a name, and pytest cuts long ids.
        self._workspaces = Workspaces(place.parent / "w", self._trees)
        self._store_bytes = store_bytes
        self._runs: dict[str, _ProjectOfRun] = {}
        self._trouble = ""
        self._means: _Means | None = None
        self.store_id = ""

    def open(self) -> None:
        """Know the directory, which is made where it is not there."""
        try:
            for place in (self._place.parent, self._place):
                if is_foreign(place):
                    raise PermissionError(f"{str(place)!r} is somebody else's")
            self._store.open()
            close_to_others(self._place)
            self.store_id = self._store.id
        except OSError as error:
            self._trouble = f"its directory {str(self._place)!r} for projects cannot be used: {error.strerror or error}"

    @property
    def place(self) -> Path | None:
        """The directory that it keeps things in; None where it cannot be used."""
        return self._place if self.store_id else None

    def sweep(self) -> None:
        """Remove what earlier nodes have left of their runs."""
        with contextlib.suppress(OSError):
            self._workspaces.sweep()

    def prepare_with(self, surround: Surround, temp_root: Path, tell: Callable[[str, str], None]) -> None:
        """Be able to make projects ready.

        Args:
            surround: gives what runs a command, and what that finds of variables.
            temp_root: a directory for what commands write.
            tell: given the id of a run, and a line of what makes its project ready.
        """
        self._means = surround, temp_root, tell

    async def do(self, run_id: str, message: OfferProject | PutBlobs | MakeWorkspace) -> Lacking | Done:
        """Do what a driver asks for a run, and answer it."""
        match message:
            case OfferProject():
                return await asyncio.to_thread(self._offer, run_id, message)
            case PutBlobs():
                return await self._unless_trouble(asyncio.to_thread(self._put, run_id, message))
            case MakeWorkspace():
                return await self._unless_trouble(self._make(run_id, message))

    async def begin(
        self, run_id: str, workspace: Workspace, environment: Mapping[str, str] = MappingProxyType({})
    ) -> PathTranslation:
        """Take part in a run whose tree is here.

        Args:
            environment: what its bodies have besides their own words.

        Raises:
            InfrastructureError: it is not here.
        """
        known = self._runs.setdefault(run_id, _ProjectOfRun())
        if known.claim is None:
            known.claim = await asyncio.to_thread(self._workspaces.join, run_id, Path(workspace.place))
        if known.claim is None:
            raise InfrastructureError("the project is not on this host any more")
        return PathTranslation(workspace, environment)

    async def leave(self, run_id: str) -> None:
        """Forget a run, and remove what this host has of it, unless other nodes are still at it."""
        if known := self._runs.pop(run_id, None):
            known.is_left = True
            if known.preparing is not None:
                known.preparing.stop()
            async with known.making:
                await asyncio.to_thread(self._leave, run_id, known)

    def leave_all(self) -> None:
        """The same for all runs; for any thread."""
        while self._runs:
            self._leave(*self._runs.popitem())

    def _leave(self, run_id: str, known: _ProjectOfRun) -> None:
        with contextlib.suppress(OSError):
            known.using.close()
            self._store.drop_incoming(run_id)
            self._give_up(known)
            if known.manifest is not None:
                self._forget(known.store_bytes)

    def _forget(self, asked: int) -> None:
        forget_old_outputs(self._prepared)
        limit = asked if self._store_bytes is None else self._store_bytes
        used = self._workspaces.used_blobs()
        trees = min(self._workspaces.kept_bytes(), int(limit * _SHARE_OF_TREES))
        blobs = self._store.forget(limit - trees, used, kept_outputs(self._prepared, used))
        if blobs is not None:
            self._workspaces.forget(limit - blobs)

    def _offer(self, run_id: str, offer: OfferProject) -> Lacking:
        if self._trouble:
            return Lacking(trouble=self._trouble)
        known = self._runs.setdefault(run_id, _ProjectOfRun())
        try:
            if known.claim is not None and known.manifest != offer.manifest:
                self._give_up(known)
            known.manifest, known.store_bytes = offer.manifest, offer.store_bytes
            known.using.close()
            known.using.enter_context(self._store.using())
            sizes = {file.digest: file.size for file in offer.manifest.files}
            lacking = self._store.find_lacking(sizes)
            wanted = sum(sizes[digest] for digest in lacking) + offer.manifest.size + _SPARE_BYTES
            if self._store.free_bytes < wanted:
                self._workspaces.forget(0)
            if (free := self._store.free_bytes) < wanted:
                return Lacking(trouble=self._say_full(free, wanted))
        except OSError as error:
            return Lacking(trouble=self._say(error))
        return Lacking(tuple(lacking))

    def _put(self, run_id: str, message: PutBlobs) -> Done:
        if run_id not in self._runs:
            return Done("the run was left", again=True)
        data: bytes | memoryview = message.data
        if message.compressed:
            data = grow(data, sum(part.length for part in message.parts))
        self._store.put(run_id, message.parts, data)
        if run_id not in self._runs:
            self._store.drop_incoming(run_id)
        return Done()

    async def _make(self, run_id: str, asked: MakeWorkspace) -> Done:
        known = self._runs.get(run_id)
        if known is None or known.manifest is None:
            return Done("the project was not offered", again=True)
        async with known.making:
            if known.claim is None or not known.is_ready:
                try:
                    await asyncio.to_thread(self._make_tree, run_id, known)
                    await self._prepare(run_id, known, asked)
                except BaseException:
                    await asyncio.to_thread(self._give_up, known)
                    raise
            if known.claim is None:
                return Done("the run was left")
            known.is_ready = True
            return Done(place=str(known.claim.place))

    def _make_tree(self, run_id: str, known: _ProjectOfRun) -> None:
        manifest = known.manifest
        assert manifest is not None
        if known.is_left:
            raise UnwantedError("the run was left")
        there: Mapping[str, State] = {}
        if (claim := known.claim) is None:
            known.claim = claim = self._workspaces.claim(run_id, manifest.root)
            there = self._workspaces.fit(claim, manifest)
        make_tree(claim.place, manifest, self._store, there=there, is_unwanted=lambda: known.is_left)
        self._trees.note(claim.place, manifest, there)
        self._workspaces.note_blobs(claim, {file.digest for file in manifest.files})
        known.using.close()

    async def _prepare(self, run_id: str, known: _ProjectOfRun, asked: MakeWorkspace) -> None:
        order, claim, manifest = asked.prepare, known.claim, known.manifest
        if order is None or claim is None or manifest is None:
            return
        if self._means is None:
            raise PrepareError("this node can make no project ready")
        surround, temp_root, tell = self._means
        executor, around = await surround(asked.bodies)
        paths = PathTranslation(Workspace(manifest.root, str(claim.place)))
        known.preparing = Preparing(
            paths.order_here(order),
            claim.place,
            self._store,
            self._prepared,
            executor,
            temp_root,
            lambda line: tell(run_id, paths.to_home(line)),
            around.variables,
            around.blotter,
        )
        if known.is_left:
            known.preparing.stop()
        try:
            await known.preparing.run(run_id)
        except PrepareError as error:
            raise PrepareError(paths.to_home(str(error)), paths.to_home(error.output)) from None
        digests = {*(file.digest for file in manifest.files), *known.preparing.digests}
        await asyncio.to_thread(self._workspaces.note_blobs, claim, digests)

    def _give_up(self, known: _ProjectOfRun) -> None:
        """Remove what there is of a tree."""
        claim, known.claim, known.is_ready = known.claim, None, False
        if claim is not None:
            self._workspaces.leave(claim)

    async def _unless_trouble(self, doing: Awaitable[Done]) -> Done:
        try:
            return await doing
        except UnwantedError as error:
            return Done(str(error))
        except PrepareError as error:
            return Done(str(error), output=error.output)
        except DamagedBlobError as error:
            return Done(self._say(error), again=True)
        except (OSError, ValueError) as error:
            return Done(self._say(error))

    def _say(self, error: Exception) -> str:
        if isinstance(error, NoSuchNameError):
            return str(error.strerror)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"the disk of {str(self._place)!r} is full: free some space, or name another `directory` of the node"
        return f"the project cannot be kept in {str(self._place)!r}: {error}"

    def _say_full(self, free: int, wanted: int) -> str:
        there = f"the disk of {str(self._place)!r}"
        spare = f"{_SPARE_BYTES / 1e6:,.0f} MB"
        return (
            f"{there} has {free / 1e6:,.0f} MB free, expected {wanted / 1e6:,.0f} MB, for the project and {spare} "
            "beside: free some space, name another `directory` of the node, or leave files out "
            "(`project: {exclude: …}` of the suite)"
        )
