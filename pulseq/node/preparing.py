"""What makes a project ready on a host: a command, whose outputs are kept for as long as nothing changes them."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import hashlib
import mmap
import os
import platform
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from pulseq.execution.attempt import RunningAttempt
from pulseq.execution.executor import Executor
from pulseq.execution.runtime.blotting import Blotter
from pulseq.models import AttemptOrder, AttemptResult, CommandBody, Reason, TestCase
from pulseq.node.blob_store import BlobStore, Kept
from pulseq.node.workspaces import make_tree
from pulseq.ownership import make_own_directory, open_own
from pulseq.protocol.project_files import Manifest, PrepareOrder, ProjectFile

#: What it writes goes to a file; of more than this only what comes last is kept.
_LOG_BYTES = 2**24
_TAIL_BYTES = 4000
#: How often whoever watches the run is told its last line.
_TELL_SECONDS = 1.0
#: Which outputs there were is forgotten when no run has used them for so long; their blobs mostly are before.
_KEPT_SECONDS = 14 * 86_400.0
#: All that it writes, in order, in the file that is `$0` here.
_INTO_FILE = 'exec "$@" >>"$0" 2>&1'


class PrepareError(Exception):
    """It has not made the project ready; the text is one line, `output` the end of what it wrote."""

    def __init__(self, why: str, output: str = "") -> None:
        super().__init__(why)
        self.output = output


class _Outputs(Struct, frozen=True):
    """What a command has made, and where: files that name that place are told by `placed`."""

    tree: Manifest
    placed: frozenset[str] = frozenset()


@dataclass(slots=True)
class Preparing:
    """Makes the workspace of a run ready.

    Args:
        directory: where outputs are written down.
        executor, temp_root: what runs the command, and a directory for what it writes.
        tell: given a line of what the command writes, now and then.
        variables: what the command has besides what runs it, before the order's own.
        blotter: blots secrets out of what it writes.

    Attributes:
        digests: of the blobs that its outputs are.
    """

    order: PrepareOrder
    place: Path
    store: BlobStore
    directory: Path
    executor: Executor
    temp_root: Path
    tell: Callable[[str], None]
    variables: Mapping[str, str] = field(default_factory=dict)
    blotter: Blotter | None = None
    digests: set[bytes] = field(default_factory=set)
    _attempt: RunningAttempt | None = None
    _stopped: bool = False

    async def run(self, run_id: str) -> None:
        """Put in place what an earlier run has kept, or run the command and keep what it makes.

        Raises:
            PrepareError: it failed, took too long, was stopped, or has not made its outputs.
            OSError: outputs cannot be kept, or not be put in their place.
        """
        kept = self._path
        if not await asyncio.to_thread(self._restore, kept):
            await self._make(run_id)
            await asyncio.to_thread(self._keep, kept)

    def stop(self) -> None:
        """End the command, with all that it has started."""
        self._stopped = True
        if self._attempt is not None:
            self._attempt.stop(Reason.CANCELLED)

    @property
    def _path(self) -> Path:
        # Outputs may name the place that they were made in: another one for them is as long.
        place = os.path.join(os.path.dirname(self.place.parent), self.place.name)
        host = (platform.system(), platform.machine(), platform.python_version(), place)
        told = repr((self.order.key, *host)).encode("utf-8", "surrogateescape")
        return self.directory / hashlib.sha256(told).hexdigest()[:32]

    async def _make(self, run_id: str) -> None:
        descriptor, log = tempfile.mkstemp(prefix="prepare-", dir=self.temp_root)
        os.close(descriptor)
        body = CommandBody(("/bin/sh", "-c", _INTO_FILE, log, *self.order.command))
        case = TestCase("prepare", body, cwd=str(self.place), env=self.order.env)
        telling = asyncio.create_task(self._keep_telling(log))
        try:
            self._attempt = await self.executor.start_attempt(
                AttemptOrder(run_id, case, timeout_seconds=self.order.timeout_seconds, variables=self.variables)
            )
            if self._stopped:
                self._attempt.stop(Reason.CANCELLED)
            result = await self._attempt.result()
            if result.reason is not None:
                raise PrepareError(self._say(result), self._read_tail(log) or result.error or "")
            if missing := [output for output in self.order.outputs if not self._find([output])]:
                told = " and ".join(map(repr, missing))
                raise PrepareError(f"prepare has ended well, and left no {told}, its outputs", self._read_tail(log))
        finally:
            telling.cancel()
            Path(log).unlink(missing_ok=True)

    def _say(self, result: AttemptResult) -> str:
        if result.reason is Reason.TIMEOUT:
            return f"prepare took longer than its timeout of {self.order.timeout_seconds:g} s and was ended"
        if result.reason is Reason.EXIT_CODE:
            return f"prepare failed with exit code {result.exit_code}"
        return f"prepare failed ({result.reason})"

    async def _keep_telling(self, log: str) -> None:
        told = ""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            with contextlib.suppress(OSError):
                if os.stat(log).st_size > _LOG_BYTES:
                    os.truncate(log, 0)
            lines = self._read_tail(log, goes_on=True).splitlines()
            line = next((line for line in reversed(lines) if line.strip()), "")
            if line and line != told:
                told = line
                self.tell(line)

    def _read_tail(self, log: str, *, goes_on: bool = False) -> str:
        """The end of what was written; of what `goes_on` as far as no secret has begun in it."""
        blotter = self.blotter
        try:
            with open(log, "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                # With what tells whether a secret is cut there.
                begin = max(size - _TAIL_BYTES - (0 if blotter is None else blotter.reach), 0)
                stream.seek(begin)
                data = stream.read()
                start = max(len(data) - _TAIL_BYTES, 0)
                stop = len(data) - (blotter.reach if blotter is not None and goes_on else 0)
                tail = data[start:] if blotter is None else blotter.blot(data, start, max(start, stop))
                return tail.decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def _find(self, patterns: Iterable[str]) -> list[str]:
        """The paths in the workspace that outputs are at."""
        found: list[str] = []
        for pattern in patterns:
            if os.path.isabs(pattern) or os.pardir in pattern.split(os.sep):
                continue
            found += glob.glob(pattern.rstrip(os.sep), root_dir=self.place, recursive=True, include_hidden=True)
        return list(dict.fromkeys(found))

    def _keep(self, kept: Path) -> None:
        files: list[ProjectFile] = []
        links: list[tuple[str, str]] = []
        directories: list[str] = []
        placed: set[str] = set()
        for path, state in self._walk():
            whole = self.place / path
            if stat.S_ISLNK(state.st_mode):
                links.append((path, os.readlink(whole)))
            elif stat.S_ISDIR(state.st_mode):
                directories.append(path)
            elif stat.S_ISREG(state.st_mode):
                digest, size = self.store.take_file(whole)
                files.append(ProjectFile(path, digest, size, stat.S_IMODE(state.st_mode), state.st_mtime_ns))
                if size and _names(whole, os.fsencode(self.place)):
                    placed.add(path)
        self.store.flush()
        self.digests = {file.digest for file in files}
        tree = Manifest(str(self.place), tuple(files), tuple(links), tuple(directories))
        make_own_directory(self.directory)
        partial = kept.with_name(f".{kept.name}.{os.getpid()}")
        with open(open_own(partial, os.O_WRONLY | os.O_TRUNC), "wb") as stream:
            stream.write(msgspec.msgpack.encode(_Outputs(tree, frozenset(placed))))
        os.replace(partial, kept)

    def _walk(self) -> Iterator[tuple[str, os.stat_result]]:
        waiting = self._find(self.order.outputs)
        while waiting:
            path = waiting.pop()
            state = os.lstat(self.place / path)
            yield path, state
            if stat.S_ISDIR(state.st_mode):
                waiting += [os.path.join(path, name) for name in os.listdir(self.place / path)]

    def _restore(self, kept: Path) -> bool:
        """Put in place what an earlier run has kept; whether it was all there."""
        try:
            outputs = msgspec.msgpack.decode(kept.read_bytes(), type=_Outputs)
        except (OSError, msgspec.MsgspecError):
            return False
        tree = outputs.tree
        with self.store.using():
            if self.store.find_lacking({file.digest: file.size for file in tree.files}):
                return False
            if tree.root != str(self.place):
                tree = msgspec.structs.replace(tree, links=tuple(self._moved(tree.links, tree.root)))
            make_tree(self.place, tree, self.store, replace=True, is_unwanted=lambda: self._stopped)
        for path in outputs.placed if tree.root != str(self.place) else ():
            self._move(path, tree.root)
        os.utime(kept)
        self.digests = {file.digest for file in tree.files}
        return True

    def _moved(self, links: Iterable[tuple[str, str]], before: str) -> Iterator[tuple[str, str]]:
        for path, target in links:
            yield path, target.replace(before, str(self.place), 1) if target.startswith(before) else target

    def _move(self, path: str, before: str) -> None:
        """Have a file name this workspace, and not the one that it was made in."""
        place = self.place / path
        state = place.stat()
        data = place.read_bytes().replace(os.fsencode(before), os.fsencode(self.place))
        place.chmod(state.st_mode | stat.S_IWUSR)
        place.write_bytes(data)
        place.chmod(state.st_mode)
        os.utime(place, ns=(state.st_mtime_ns, state.st_mtime_ns))


def forget_old_outputs(directory: Path) -> None:
    """Forget which outputs there were, in this directory, that no run has used for long."""
    for kept in directory.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - kept.stat().st_mtime > _KEPT_SECONDS:
                kept.unlink()


def kept_outputs(directory: Path, used: AbstractSet[bytes]) -> Iterator[Kept]:
    """What of outputs is written down in this directory; with the blobs that they are where a run uses all of these."""
    for kept in directory.glob("*"):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            state = kept.stat()
            outputs = msgspec.msgpack.decode(kept.read_bytes(), type=_Outputs)
            digests = [file.digest for file in outputs.tree.files]
            yield state.st_mtime, state.st_size, str(kept), digests if used >= set(digests) else ()


def _names(path: Path, place: bytes) -> bool:
    """Whether a place is named in a file."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(place) >= 0
