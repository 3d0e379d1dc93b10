"""The blobs of a project in messages: small ones together, large ones in pieces, each read and compressed once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pulseq.blobs import digest_of, open_regular, shrink
from pulseq.protocol.project_files import BlobPart, Manifest, ProjectFile
from pulseq.protocol.to_node import PutBlobs

#: About how much a message carries.
PACK_BYTES = 4 * 2**20


class ChangedSinceError(OSError):
    """A file is no longer what it was when the project was read."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file that go into a message: all of a small one."""

    file: ProjectFile
    offset: int
    length: int

    @property
    def part(self) -> BlobPart:
        return BlobPart(self.file.digest, self.length, self.offset, self.file.size)


Pack = tuple[Piece, ...]


def plan_packs(manifest: Manifest) -> list[Pack]:
    """All blobs of a project, each once, in packs that are the same for every host."""
    by_digest = {file.digest: file for file in manifest.files}
    return list(_gather(_pieces(by_digest.values())))


def choose_packs(packs: Sequence[Pack], lacking: Iterable[bytes]) -> list[Pack]:
    """The packs that bring a host what it lacks: those of all hosts as they are, where it lacks most of them."""
    wanted = frozenset(lacking)
    chosen: list[Pack] = []
    rest: list[Piece] = []
    for pack in packs:
        some = [piece for piece in pack if piece.file.digest in wanted]
        if 2 * _size(some) >= _size(pack) and some:
            chosen.append(pack)
        else:
            rest += some
    return [*chosen, *_gather(rest)]


def _gather(pieces: Iterable[Piece]) -> Iterator[Pack]:
    pack: list[Piece] = []
    size = 0
    for piece in pieces:
        if pack and size + piece.length > PACK_BYTES:
            yield tuple(pack)
            pack, size = [], 0
        pack.append(piece)
        size += piece.length
    if pack:
        yield tuple(pack)


def _size(pieces: Iterable[Piece]) -> int:
    return sum(piece.length for piece in pieces)


def _pieces(files: Iterable[ProjectFile]) -> Iterator[Piece]:
    for file in files:
        for offset in range(0, max(file.size, 1), PACK_BYTES):
            yield Piece(file, offset, min(PACK_BYTES, file.size - offset))


def read_pack(root: Path, pack: Pack, *, compress: bool) -> PutBlobs:
    """The message that carries a pack.

    Raises:
        ChangedSinceError: a file is no longer what it was; the text names it.
    """
    data = b"".join(_read(root, piece) for piece in pack)
    small, compressed = shrink(data) if compress else (data, False)
    return PutBlobs(tuple(piece.part for piece in pack), memoryview(small), compressed)


def _read(root: Path, piece: Piece) -> bytes:
    file = piece.file
    try:
        descriptor = open_regular(root / file.path)
        try:
            data = os.pread(descriptor, piece.length, piece.offset) if piece.length else b""
            now = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ChangedSinceError(f"{file.path!r} could not be read again ({error.strerror or error})") from error
    same = len(data) == piece.length and now.st_size == file.size
    if piece.length == file.size:
        same = same and digest_of(data) == file.digest
    else:
        # To hash all of it for each of its pieces would take too long: what was only touched counts, too.
        same = same and now.st_mtime_ns == file.mtime_ns
    if not same:
        raise ChangedSinceError(f"{file.path!r} was written to while the project was sent")
    return data
