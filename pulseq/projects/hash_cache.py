"""The hashes of a project's files, kept from run to run: what was not written to is not read again."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pulseq.blobs import FileState, hash_file
from pulseq.ownership import make_own_directory, open_own

#: What was written to so shortly before may be written to again without being seen to: clocks of files are coarse.
_FRESH_SECONDS = 2.0
#: Size, times of change and of the inode's in nanoseconds, inode, mode: `FileState`, and the digest.
_Known = tuple[int, int, int, int, int, bytes]
_decoder = msgspec.msgpack.Decoder(dict[str, _Known])


class HashCache:
    """Digests of files by their paths and states.

    Args:
        path: of the file that it is kept in; what is there and is no such file counts as empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: Mapping[str, _Known] = {}
        self._new: dict[str, _Known] = {}
        try:
            self._known = _decoder.decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            self._known = {}

    @classmethod
    def of_project(cls, home: Path, root: Path) -> HashCache:
        """That of the project at `root`, in a state directory."""
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        return cls(home / "projects" / f"{name}.hashes")

    def hash(self, root: Path, path: str) -> tuple[bytes, FileState]:
        """The digest of a file and its state, read anew only where it was written to.

        Raises:
            OSError: as `hash_file`.
        """
        found = os.lstat(f"{root}/{path}")
        state = FileState.of(found)
        known = self._known.get(path)
        if known is not None and known[:5] == _fields(state):
            digest = known[5]
        else:
            digest, state = hash_file(root / path)
        latest = max(state.mtime_ns, state.ctime_ns)
        if time.time_ns() - latest > _FRESH_SECONDS * 1e9:
            self._new[path] = (*_fields(state), digest)
        return digest, state

    def keep(self) -> None:
        """Write down what was asked for since it was read; without it the next run reads more."""
        if self._new == self._known:
            return
        partial = self._path.with_name(f".{self._path.name}.{os.urandom(4).hex()}")
        try:
            make_own_directory(self._path.parent)
            with open(open_own(partial, os.O_WRONLY | os.O_EXCL), "wb") as stream:
                stream.write(msgspec.msgpack.encode(self._new))
            os.replace(partial, self._path)
        except (OSError, UnicodeEncodeError):
            partial.unlink(missing_ok=True)


def _fields(state: FileState) -> tuple[int, int, int, int, int]:
    return state.size, state.mtime_ns, state.ctime_ns, state.inode, state.mode
