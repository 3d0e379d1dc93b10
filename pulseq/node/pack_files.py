"""Small blobs in files of some MB: to make a file of each would cost a host as much as the tree that it makes of them.

A pack has its blobs one after the other, then where each of them is, then the length of that. It is written once.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pulseq.blobs import FileState, digest_of
from pulseq.node.reflinks import write_file

_SUFFIX = ".pack"
_LENGTH = struct.Struct("<Q")
#: When a pack was used last is known as exactly as this: to write it down costs.
_USED_SECONDS = 600.0
_decoder = msgspec.msgpack.Decoder(list[tuple[bytes, int, int]])


@dataclass(frozen=True, slots=True)
class _Place:
    pack: str
    offset: int
    size: int


class _OpenPack:
    """A pack that is open for as long as somebody has this."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


class PackFiles:
    """The packs in a directory, which other processes use, too. For any thread.

    Args:
        partial: the directory, and the beginning of a name, for what is being written.
    """

    def __init__(self, directory: Path, partial: Path) -> None:
        self._directory = directory
        self._partial = partial
        self._places: dict[bytes, _Place] = {}
        self._packs: dict[str, list[bytes]] = {}
        self._lock = threading.Lock()
        self._last = threading.local()
        #: What those were that this process has written, of blobs that it knew.
        self._own: dict[str, FileState] = {}

    def refresh(self) -> None:
        """Know what other processes have put here, and what they have removed."""
        names = {entry.name for entry in os.scandir(self._directory) if entry.name.endswith(_SUFFIX)}
        with self._lock:
            for name in self._packs.keys() - names:
                self._forget(name)
            for name in names - self._packs.keys():
                with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError, struct.error):
                    self._learn(name, _read_index(self._directory / name))

    def size_of(self, digest: bytes) -> int | None:
        """How large a blob is; None for one that is in no pack."""
        place = self._places.get(digest)
        return None if place is None else place.size

    def touch(self, digests: Iterable[bytes]) -> None:
        """Count these blobs, which are in packs, as used now."""
        now = time.time()
        for name in {self._places[digest].pack for digest in digests}:
            path = self._directory / name
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > _USED_SECONDS:
                    os.utime(path)

    def add(self, blobs: Sequence[tuple[bytes, bytes | memoryview]]) -> None:
        """Keep blobs, by their digests, in a pack of their own.

        Raises:
            OSError: it cannot be written.
        """
        new = {digest: data for digest, data in blobs if digest not in self._places}
        if not new:
            return
        index, offset = [], 0
        for digest, data in new.items():
            index.append((digest, offset, len(data)))
            offset += len(data)
        told = msgspec.msgpack.encode(index)
        name = f"{os.urandom(8).hex()}{_SUFFIX}"
        partial = self._partial.with_name(f"{self._partial.name}-{name}")
        try:
            write_file(partial, *new.values(), told, _LENGTH.pack(len(told)), mode=0o600)
            os.rename(partial, self._directory / name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        with self._lock:
            self._learn(name, index)
            self._own[name] = FileState.of(os.stat(self._directory / name))

    def read(self, digest: bytes) -> bytes | None:
        """The bytes of a blob; None where it is in no pack that is there, or is not what it was.

        In a pack that this process has written, and nobody since, it is.
        """
        place = self._places.get(digest)
        if place is None:
            return None
        try:
            descriptor = self._open(place.pack)
        except FileNotFoundError:
            return None
        data = os.pread(descriptor, place.size, place.offset)
        is_own = self._own.get(place.pack) == FileState.of(os.fstat(descriptor))
        return data if is_own or digest_of(data) == digest else None

    def _open(self, name: str) -> int:
        """The descriptor of a pack: what a thread reads is mostly in the one that it has read last."""
        last: _OpenPack | None = getattr(self._last, "pack", None)
        if last is None or last.name != name:
            last = self._last.pack = _OpenPack(name, os.open(self._directory / name, os.O_RDONLY | os.O_CLOEXEC))
        return last.descriptor

    def drop(self, digest: bytes) -> None:
        """Remove the pack that a blob is in."""
        with self._lock:
            if (place := self._places.get(digest)) is not None:
                self.remove(place.pack)

    def kept(self) -> Iterator[tuple[float, int, str, list[bytes]]]:
        """When each pack was last used, its size, its name, and the digests of its blobs."""
        for name, digests in list(self._packs.items()):
            with contextlib.suppress(FileNotFoundError):
                state = (self._directory / name).stat()
                yield state.st_mtime, state.st_size, name, digests

    def remove(self, name: str) -> None:
        """Remove a pack with all that is in it."""
        (self._directory / name).unlink(missing_ok=True)
        self._forget(name)

    def _learn(self, name: str, index: Iterable[tuple[bytes, int, int]]) -> None:
        self._packs[name] = [digest for digest, _, _ in index]
        for digest, offset, size in index:
            self._places[digest] = _Place(name, offset, size)

    def _forget(self, name: str) -> None:
        self._own.pop(name, None)
        for digest in self._packs.pop(name, ()):
            if (place := self._places.get(digest)) is not None and place.pack == name:
                del self._places[digest]


def _read_index(path: Path) -> list[tuple[bytes, int, int]]:
    with open(path, "rb") as stream:
        stream.seek(-_LENGTH.size, os.SEEK_END)
        (length,) = _LENGTH.unpack(stream.read())
        stream.seek(-_LENGTH.size - length, os.SEEK_END)
        return _decoder.decode(stream.read(length))
