"""What the attempts of a run left on this node: looked through once, and kept until it is at home.

Files are kept under their hashes in a directory of the run, out of the reach of whatever a body left running: a file
that is another one when it is fetched has another hash, which its driver finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import mimetypes
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pulseq.artifacts import LeftFile, distinct, safe_path, say_size
from pulseq.execution.runtime.artifact_files import (
    FOUND_ARTIFACTS,
    MOST_FILES,
    FileRefusedError,
    LeftOut,
    check_unchanged,
    locate_below,
    open_regular,
)
from pulseq.execution.runtime.body_environment import OWN_ARTIFACTS, remove_tree

_CHUNK_BYTES = 1024 * 1024
_UNKNOWN_TYPE = "application/octet-stream"
#: Python's own table, so that a name means the same on every host.
_TYPES = mimetypes.MimeTypes()
for _ending, _type in {
    ".avif": "image/avif",
    ".har": "application/json",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".webp": "image/webp",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}.items():
    _TYPES.add_type(_type, _ending)


class KeptArtifacts:
    """The files of one run, by their hashes.

    Args:
        parent: an existing directory, on the same disk as those of attempts.
    """

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._directory: str | None = None
        self._taking = 0
        #: Hashes of what was told of and not forgotten, and when the last was told of or asked for.
        self._held: set[str] = set()
        self._moved_at = 0.0

    def are_awaited(self, within_seconds: float) -> bool:
        """Whether there is something that is to be fetched, and somebody heard of it or asked for it just now."""
        is_moving = time.monotonic() - self._moved_at < within_seconds
        return self._taking > 0 or (bool(self._held) and is_moving)

    async def take(self, place: str, limit: int) -> tuple[tuple[LeftFile, ...], tuple[str, ...]]:
        """Take over what an attempt left in a directory, which is gone then.

        Args:
            limit: most bytes that are kept of it.

        Returns:
            the files that are kept, and warnings about those that are not.
        """
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix="artifacts-", dir=self._parent)
        self._taking += 1
        try:
            files, warnings = await asyncio.to_thread(self._take, place, limit)
        finally:
            self._taking -= 1
        self._held.update(file.sha256 for file in files)
        self._moved_at = time.monotonic()
        return files, warnings

    async def read(self, sha256: str, offset: int, length: int) -> bytes | None:
        """A part of a file; None where it is not here (any more)."""
        self._moved_at = time.monotonic()
        return await asyncio.to_thread(self._read, sha256, offset, length)

    async def drop(self, sha256s: Iterable[str]) -> None:
        """Forget files: they are at home."""
        home = list(sha256s)
        await asyncio.to_thread(self._drop, home)
        self._held.difference_update(home)

    async def close(self) -> None:
        """Forget all of them."""
        if self._directory is not None:
            await asyncio.to_thread(remove_tree, self._directory)

    def _take(self, place: str, limit: int) -> tuple[tuple[LeftFile, ...], tuple[str, ...]]:
        left_out = LeftOut()
        kept: list[tuple[str, int, str]] = []
        room = limit
        try:
            for root, path in _files_in(place):
                name = os.path.relpath(path, root)
                try:
                    real = locate_below(path, root)
                    if os.path.isdir(real):  # a link to what is looked through by its own name
                        continue
                    if len(kept) >= MOST_FILES:
                        raise FileRefusedError(f"over {MOST_FILES} files")
                    size, sha256 = self._keep(real, room, limit)
                except FileRefusedError as refusal:
                    left_out.note(name, str(refusal))
                except OSError as error:
                    left_out.note(name, f"cannot be read: {error.strerror}")
                else:
                    room -= size
                    kept.append((safe_path(name.split(os.sep)), size, sha256))
        finally:
            remove_tree(place)
        names = distinct([name for name, _, _ in kept])
        files = (
            LeftFile(name, size, sha256, media_type(name)) for name, (_, size, sha256) in zip(names, kept, strict=True)
        )
        return tuple(files), tuple(left_out.warnings())

    def _keep(self, path: str, room: int, limit: int) -> tuple[int, str]:
        """Hash a file and move it to where it is kept; its bytes and its hash."""
        file, state = open_regular(path)
        with file:
            if state.st_size > room:
                raise FileRefusedError(f"over the artifacts_limit of {say_size(limit)}")
            digest, left = hashlib.sha256(), state.st_size
            while left > 0 and (data := file.read(min(_CHUNK_BYTES, left))):
                digest.update(data)
                left -= len(data)
            check_unchanged(file, state)
        sha256 = digest.hexdigest()
        with contextlib.suppress(FileExistsError):
            os.link(path, self._place_of(sha256))  # and not moved: another link may lead to it
        return state.st_size, sha256

    def _place_of(self, sha256: str) -> str:
        return os.path.join(self._directory or "", sha256)

    def _read(self, sha256: str, offset: int, length: int) -> bytes | None:
        if self._directory is None or not sha256.isalnum():
            return None
        try:
            with open(self._place_of(sha256), "rb") as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError:
            return None

    def _drop(self, sha256s: list[str]) -> None:
        for sha256 in sha256s:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._place_of(sha256))


def _files_in(place: str) -> Iterator[tuple[str, str]]:
    """All that is no directory, in the order of names: what was put there, then what was found; each with its root."""
    for part in (OWN_ARTIFACTS, FOUND_ARTIFACTS):
        root = os.path.join(place, part)
        if os.path.islink(root):
            continue
        for folder, folders, names in os.walk(root):
            folders.sort()
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in sorted([*names, *links]):
                yield root, os.path.join(folder, name)


def media_type(name: str) -> str:
    """What a file is by its name, as mail and browsers call it."""
    found, packed = _TYPES.guess_type(name)
    return f"application/{packed}" if packed else found or _UNKNOWN_TYPE
