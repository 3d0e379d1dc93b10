"""Blobs that a host keeps between runs: small ones in packs, large ones each in a file that is called by its hash.

Any number of processes use it at once: a blob is there as a whole or not at all. One lock says that nothing may be
forgotten now: it is shared by those who have found blobs that they are going to use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pulseq.blobs import digest_of, hash_file
from pulseq.node.pack_files import PackFiles
from pulseq.node.reflinks import copy_large, write_file
from pulseq.ownership import make_own_directory, open_own
from pulseq.protocol.project_files import BlobPart

#: Larger ones are files of their own, which may be copied without their blocks being copied.
LARGE_BYTES = 2**18
#: About how large a pack is.
_PACK_BYTES = 4 * 2**20

#: When something was last used, its size, its path or its pack, and the digests of what is there.
Kept: TypeAlias = tuple[float, int, str, Sequence[bytes]]


class DamagedBlobError(OSError):
    """A blob is not there any more, or is not what it was."""


@dataclass(slots=True)
class _Coming:
    """A large blob that a run is being sent: its file, and the lengths of the parts that are in it, by offset."""

    partial: Path
    lengths: dict[int, int] = field(default_factory=dict)


class BlobStore:
    """Blobs in a directory of this user alone.

    Attributes:
        id: random, of the directory: nodes that have the same one share it, whatever their host is called.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._objects = directory / "objects"
        self._incoming = directory / "incoming"
        self._mark = secrets.token_hex(6)
        self._packs = PackFiles(directory / "packs", self._incoming / self._mark)
        self._taken: list[tuple[bytes, bytes]] = []
        #: By run and digest: two runs may be sent the same one at once, and either may leave.
        self._coming: dict[tuple[str, bytes], _Coming] = {}
        self._lock = threading.Lock()
        self.id = ""

    def open(self) -> None:
        """Make the directory, where there is none, and know its id.

        Raises:
            OSError: it cannot be made.
        """
        self._make_directories()
        path = self._directory / "store-id"
        with open(open_own(path, os.O_RDWR), "r+", encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            self.id = stream.read().strip()
            if not self.id:
                self.id = secrets.token_hex(8)
                stream.write(self.id)

    def _make_directories(self) -> None:
        for place in (self._objects, self._incoming, self._directory / "packs"):
            make_own_directory(place)

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """While this lasts nothing is forgotten."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        self._make_directories()  # somebody may have emptied the cache meanwhile
        with open(open_own(self._directory / "store.lock", os.O_RDWR), "rb") as stream:
            fcntl.flock(stream, how)
            yield

    def find_lacking(self, sizes: Mapping[bytes, int]) -> list[bytes]:
        """Which of these blobs are not here; those that are count as used now."""
        self._packs.refresh()
        lacking, packed = [], []
        for digest, size in sizes.items():
            known = self._packs.size_of(digest)
            if known is None:
                known = self._use_object(digest)
            else:
                packed.append(digest)
            if known != size:
                lacking.append(digest)
        self._packs.touch(packed)
        return lacking

    def _use_object(self, digest: bytes) -> int | None:
        path = self._path(digest)
        try:
            os.utime(path)
            return os.stat(path).st_size
        except FileNotFoundError:
            return None

    def put(self, run_id: str, parts: Iterable[BlobPart], data: bytes | memoryview) -> None:
        """Keep what came in one message for a run.

        Raises:
            DamagedBlobError: a blob is not what its hash says.
            OSError: it cannot be written.
        """
        view, at = memoryview(data), 0
        small: list[tuple[bytes, memoryview]] = []
        for part in parts:
            some = view[at : at + part.length]
            at += part.length
            if part.size > LARGE_BYTES:
                self._put_part(run_id, part, some)
            elif digest_of(some) != part.digest:
                raise DamagedBlobError("what came is not what its hash says")
            else:
                small.append((part.digest, some))
        self._packs.add(small)

    def _put_part(self, run_id: str, part: BlobPart, data: memoryview) -> None:
        key = run_id, part.digest
        with self._lock:
            coming = self._coming.setdefault(key, _Coming(self._new_partial()))
            descriptor = open_own(coming.partial, os.O_WRONLY)
            try:
                os.pwrite(descriptor, data, part.offset)
            finally:
                os.close(descriptor)
            coming.lengths[part.offset] = part.length
            if sum(coming.lengths.values()) < part.size:
                return
            # What comes of it once more has another file: this one is written to no more.
            del self._coming[key]
        try:
            if hash_file(coming.partial)[0] != part.digest:
                raise DamagedBlobError("what came is not what its hash says")
            self._install(coming.partial, part.digest)
        except BaseException:
            coming.partial.unlink(missing_ok=True)
            raise

    def _new_partial(self) -> Path:
        return self._incoming / f"{self._mark}-{secrets.token_hex(8)}"

    def take_file(self, path: str | Path) -> tuple[bytes, int]:
        """Keep a file of this host, after the next `flush`; its digest and its size.

        Raises:
            OSError: it cannot be read, or not written here.
        """
        digest, state = hash_file(path)
        if state.size <= LARGE_BYTES:
            data = Path(path).read_bytes()
            digest = digest_of(data)
            self._taken.append((digest, data))
            if sum(len(data) for _, data in self._taken) > _PACK_BYTES:
                self.flush()
            return digest, len(data)
        if self._use_object(digest) != state.size:
            partial = self._new_partial()
            copy_large(path, partial, mode=0o600)
            self._install(partial, digest)
        return digest, state.size

    def flush(self) -> None:
        """Have all files that were taken on the disk."""
        taken, self._taken = self._taken, []
        self._packs.add(taken)

    def _install(self, partial: Path, digest: bytes) -> None:
        path = self._path(digest)
        try:
            os.rename(partial, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.rename(partial, path)

    def place(self, digest: bytes, size: int, target: str, *, mode: int, mtime_ns: int) -> None:
        """Make a file of a blob that nobody can damage by writing to the file.

        A small one is looked at again, unless this process has just got it; a large one was when it came, and to read
        it each time would take too long.

        Raises:
            DamagedBlobError: the blob is not there, or a small one is not what it was; then it is gone.
            OSError: the file cannot be made.
        """
        if size > LARGE_BYTES:
            try:
                copy_large(self._path(digest), target, mode=mode, mtime_ns=mtime_ns)
            except FileNotFoundError as error:
                raise _gone() from error
            return
        data = self._packs.read(digest)
        if data is None:
            self._packs.drop(digest)
            raise _gone()
        write_file(target, data, mode=mode, mtime_ns=mtime_ns)

    def forget(self, limit: int, spared: AbstractSet[bytes], beside: Iterable[Kept] = ()) -> int | None:
        """Forget blobs, the longest unused first, until no more than this many bytes are kept; how many those are.

        Where others are just about to use some, nothing is forgotten, nor told.

        Args:
            spared: those that runs use.
            beside: files that count as blobs do, and go as they do.
        """
        with contextlib.suppress(BlockingIOError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for left in os.scandir(self._incoming):
                if not left.name.startswith(self._mark):
                    Path(left.path).unlink(missing_ok=True)
            self._packs.refresh()
            kept = sorted([*self._packs.kept(), *_kept(self._objects), *beside], key=lambda one: one[0])
            total = sum(size for _, size, _, _ in kept)
            for _, size, name, digests in kept:
                if total <= limit:
                    break
                if spared.isdisjoint(digests):
                    self._remove(name)
                    total -= size
            return total
        return None

    def _remove(self, name: str) -> None:
        if os.sep in name:
            Path(name).unlink(missing_ok=True)
        else:
            self._packs.remove(name)

    def drop_incoming(self, run_id: str) -> None:
        """Remove what this process has, for a run, of blobs that have not come as a whole."""
        with self._lock:
            for key in [key for key in self._coming if key[0] == run_id]:
                self._coming.pop(key).partial.unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        """How much the disk has left for this user."""
        return shutil.disk_usage(self._directory).free

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._objects}/{name[:2]}/{name[2:]}"


def _gone() -> DamagedBlobError:
    return DamagedBlobError(errno.ESTALE, "a blob of the store was gone or damaged")


def _kept(objects: Path) -> Iterator[Kept]:
    """When each blob was last used, its size, its path, and its digest."""
    for folder in os.scandir(objects):
        for entry in os.scandir(folder.path):
            with contextlib.suppress(FileNotFoundError):
                state = entry.stat()
                yield state.st_mtime, state.st_size, entry.path, [bytes.fromhex(folder.name + entry.name)]
