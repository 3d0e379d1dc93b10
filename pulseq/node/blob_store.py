"""Blobs that a host keeps between runs, each a file that is called by its hash.

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
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from pulseq.blobs import digest_of, hash_file
from pulseq.node.reflinks import copy_large, write_file
from pulseq.ownership import make_own_directory, open_own
from pulseq.protocol.project_files import BlobPart

#: Larger ones are never in memory as a whole.
LARGE_BYTES = 4 * 2**20


class DamagedBlobError(OSError):
    """A blob is not there any more, or is not what it was."""


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
        #: Of large blobs that are coming, how much is missing.
        self._missing: dict[bytes, int] = {}
        self._lock = threading.Lock()
        self.id = ""

    def open(self) -> None:
        """Make the directory, where there is none, and know its id.

        Raises:
            OSError: it cannot be made.
        """
        for place in (self._objects, self._incoming):
            make_own_directory(place)
        path = self._directory / "store-id"
        with open(open_own(path, os.O_RDWR), "r+", encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            self.id = stream.read().strip()
            if not self.id:
                self.id = secrets.token_hex(8)
                stream.write(self.id)

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """While this lasts nothing is forgotten."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with open(open_own(self._directory / "store.lock", os.O_RDWR), "rb") as stream:
            fcntl.flock(stream, how)
            yield

    def find_lacking(self, sizes: Mapping[bytes, int]) -> list[bytes]:
        """Which of these blobs are not here; those that are count as used now."""
        lacking = []
        for digest, size in sizes.items():
            path = self._path(digest)
            try:
                if os.stat(path).st_size == size:
                    os.utime(path)
                    continue
            except OSError:
                pass
            lacking.append(digest)
        return lacking

    def put(self, parts: Iterable[BlobPart], data: bytes) -> None:
        """Keep what came in one message.

        Raises:
            DamagedBlobError: a blob is not what its hash says.
            OSError: it cannot be written.
        """
        view, at = memoryview(data), 0
        for part in parts:
            some = view[at : at + part.length]
            at += part.length
            if part.length == part.size:
                self._put_whole(part.digest, some)
            else:
                self._put_part(part, some)

    def _put_whole(self, digest: bytes, data: memoryview) -> None:
        if digest_of(data) != digest:
            raise DamagedBlobError("what came is not what its hash says")
        partial = self._incoming / f"{self._mark}-{digest.hex()}"
        try:
            write_file(partial, data, mode=0o600)
            self._install(partial, digest)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _put_part(self, part: BlobPart, data: memoryview) -> None:
        partial = self._incoming / f"{self._mark}-{part.digest.hex()}"
        descriptor = open_own(partial, os.O_WRONLY)
        try:
            os.pwrite(descriptor, data, part.offset)
        finally:
            os.close(descriptor)
        with self._lock:
            missing = self._missing.get(part.digest, part.size) - part.length
            self._missing[part.digest] = missing
            if missing > 0:
                return
            del self._missing[part.digest]
        if hash_file(partial)[0] != part.digest:
            partial.unlink()
            raise DamagedBlobError("what came is not what its hash says")
        self._install(partial, part.digest)

    def take_file(self, path: str | Path) -> tuple[bytes, int]:
        """Keep a file of this host; its digest and its size.

        Raises:
            OSError: it cannot be read, or not written here.
        """
        digest, state = hash_file(path)
        if self.find_lacking({digest: state.size}):
            partial = self._incoming / f"{self._mark}-{digest.hex()}"
            copy_large(path, partial, mode=0o600)
            self._install(partial, digest)
        return digest, state.size

    def _install(self, partial: Path, digest: bytes) -> None:
        path = self._path(digest)
        try:
            os.rename(partial, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            os.rename(partial, path)

    def place(self, digest: bytes, size: int, target: str, *, mode: int, mtime_ns: int) -> None:
        """Make a file of a blob that nobody can damage by writing to the file.

        Raises:
            DamagedBlobError: the blob is not there, or is not what it was; then it is gone.
            OSError: the file cannot be made.
        """
        path = self._path(digest)
        if size > LARGE_BYTES:
            try:
                copy_large(path, target, mode=mode)
            except FileNotFoundError as error:
                raise self._damaged(path) from error
        else:
            write_file(target, self._read(path, digest), mode=mode)
        os.utime(target, ns=(mtime_ns, mtime_ns))

    def _read(self, path: str, digest: bytes) -> bytes:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise self._damaged(path) from error
        try:
            data = os.read(descriptor, LARGE_BYTES + 1)
        finally:
            os.close(descriptor)
        if digest_of(data) != digest:
            raise self._damaged(path)
        return data

    def _damaged(self, path: str) -> DamagedBlobError:
        Path(path).unlink(missing_ok=True)
        return DamagedBlobError(errno.ESTALE, "a blob of the store was gone or damaged")

    def forget(self, limit: int, spared: AbstractSet[bytes]) -> None:
        """Forget blobs, the longest unused first, until what is kept is no more than this many bytes.

        Where others are just about to use some, nothing is.

        Args:
            spared: those that runs use.
        """
        with contextlib.suppress(BlockingIOError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for left in os.scandir(self._incoming):
                if not left.name.startswith(self._mark):
                    Path(left.path).unlink(missing_ok=True)
            kept = sorted(_kept(self._objects))
            total = sum(size for _, size, _ in kept)
            for _, size, path in kept:
                if total <= limit:
                    return
                if bytes.fromhex(os.path.basename(os.path.dirname(path)) + os.path.basename(path)) not in spared:
                    os.unlink(path)
                    total -= size

    def drop_incoming(self) -> None:
        """Remove what this process has of blobs that have not come as a whole."""
        with self._lock:
            self._missing.clear()
        for left in self._incoming.glob(f"{self._mark}-*"):
            left.unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        """How much the disk has left for this user."""
        return shutil.disk_usage(self._directory).free

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._objects}/{name[:2]}/{name[2:]}"


def _kept(objects: Path) -> Iterator[tuple[int, int, str]]:
    """When each blob was last used, its size, and its path."""
    for folder in os.scandir(objects):
        for entry in os.scandir(folder.path):
            with contextlib.suppress(FileNotFoundError):
                state = entry.stat()
                yield state.st_mtime_ns, state.st_size, entry.path
