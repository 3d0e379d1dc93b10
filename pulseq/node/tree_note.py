"""What a tree was when it had been made, by which is known later what of it is as it was.

A file that was written to, or touched, has another time of change of its inode, which nobody can set. What has the
same one, and the same inode, size, mode and time, has the same bytes; so nothing is read.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pulseq.ownership import open_own
from pulseq.protocol.project_files import Manifest, ProjectFile

#: What Python has compiled stays with the files: it holds it against their sizes and whole seconds alone.
_CACHE = "__pycache__"
#: How often it is looked whether the file system tells of a change by now, and how long each time is waited before:
#: for two ticks of the slowest clocks that kernels have, since each run on tmpfs waits for all of it.
_TURNS, _PAUSE_SECONDS = 20, 0.001
_ALL = os.R_OK | os.W_OK | os.X_OK

#: Size, time in nanoseconds, that of the change of the inode, its number, and its whole mode.
State = tuple[int, int, int, int, int]


class Left(Struct, frozen=True):
    """What is left of a tree: files by path, and how many bytes they have with what Python has compiled of them."""

    files: dict[str, State]
    size: int


class TreeNote(Struct, frozen=True):
    """A tree that was made; paths are relative to its root, which is ``.``.

    Attributes:
        size: bytes of all files, and once it is kept also of what Python has compiled.
        files: by path: the digest that each has as long as it is in this state.
        directories: the mode, user and group of each.
    """

    size: int
    files: dict[str, tuple[bytes, State]]
    directories: dict[str, tuple[int, int, int]]

    @classmethod
    def take(cls, place: Path, manifest: Manifest, known: Mapping[str, State]) -> TreeNote:
        """Note a tree that has just been made, which nobody has written to yet.

        Args:
            known: states of those files that were there before.

        Raises:
            OSError: a file is not there.
        """
        files = {
            file.path: (file.digest, known.get(file.path) or _state_of(os.lstat(f"{place}/{file.path}")))
            for file in manifest.files
        }
        directories = {path: _owner_of(os.lstat(place / path)) for path in directories_of(manifest)}
        return cls(manifest.size, files, directories)

    @classmethod
    def read(cls, path: Path) -> TreeNote | None:
        """What was written down; None where there is no such file."""
        try:
            return _decoder.decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, path: Path) -> bool:
        """Write it down, unless the file system would not tell when somebody writes to one of the files from now on.

        Whether it was written.

        Raises:
            OSError: it cannot be written.
        """
        path.unlink(missing_ok=True)
        latest = max((state[2] for _, state in self.files.values()), default=0)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(open_own(partial, os.O_RDWR | os.O_TRUNC), "r+b") as stream:
                stream.write(msgspec.msgpack.encode(self))
                stream.flush()
                # What was just written has a late time by itself, which says nothing of writing by way of memory.
                latest = max(latest, os.fstat(stream.fileno()).st_ctime_ns)
                if not _tells_of_changes(stream.fileno(), after=latest):
                    return False
            os.rename(partial, path)
        except UnicodeEncodeError:  # a path that is no UTF-8
            return False
        finally:
            partial.unlink(missing_ok=True)
        return True

    def keep_unchanged(self, place: Path, wanted: Manifest | None = None) -> Left:
        """Remove all that is not as it was, or, of what was noted, is not wanted any more; what is left.

        Args:
            wanted: the project that the tree is to be made into; None wants all that was noted.

        Raises:
            OSError: something cannot be looked at, or not be removed.
        """
        looking = _Looking(self, wanted)
        if not looking.is_same_directory(".", place):
            raise PermissionError(f"{str(place)!r} is another directory now")
        looking.walk(place, "")
        return Left(looking.left, looking.compiled_bytes + sum(state[0] for state in looking.left.values()))


class _Size(Struct, frozen=True):
    size: int


def read_size(path: Path) -> int:
    """The `size` of a note; 0 where there is no note. Not all of that is taken in."""
    try:
        return _size_decoder.decode(path.read_bytes()).size
    except (OSError, msgspec.MsgspecError):
        return 0


class _Looking:
    def __init__(self, note: TreeNote, wanted: Manifest | None) -> None:
        self._note = note
        self._files: Mapping[str, ProjectFile] | None = None
        self._directories: Collection[str] = note.directories
        if wanted is not None:
            self._files = {file.path: file for file in wanted.files}
            self._directories = directories_of(wanted)
        self.left: dict[str, State] = {}
        self.compiled_bytes = 0

    def walk(self, place: Path, below: str) -> None:
        compiled = None
        with os.scandir(place) as entries:
            for entry in entries:
                path = below + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    self._look_at(path, entry)
                elif path in self._directories and self.is_same_directory(path, entry):
                    self.walk(place / entry.name, f"{path}/")
                elif entry.name != _CACHE or path in self._directories or self._is_file(path):
                    _remove(entry)
                else:
                    compiled = entry
        if compiled is not None:
            self._look_at_compiled(compiled, below)

    def _look_at(self, path: str, entry: os.DirEntry[str]) -> None:
        noted = self._note.files.get(path)
        if noted is not None and noted[1] == _state_of(entry.stat(follow_symlinks=False)):
            digest, state = noted
            file = None if self._files is None else self._files.get(path)
            if self._files is None or (
                file is not None
                and (file.digest, file.mtime_ns, file.mode) == (digest, state[1], stat.S_IMODE(state[4]))
            ):
                self.left[path] = state
                return
        os.unlink(entry.path)

    def _look_at_compiled(self, cache: os.DirEntry[str], below: str) -> None:
        """Leave what was compiled of files that are left: others of the same size and time would be taken for them."""
        with os.scandir(cache) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    _remove(entry)
                elif not entry.is_file(follow_symlinks=False) or not self._is_left(below, entry.name.split(".")):
                    os.unlink(entry.path)
                else:
                    self.compiled_bytes += entry.stat().st_size

    def _is_left(self, below: str, parts: list[str]) -> bool:
        """Whether the file is left of which something so called was compiled, and all that it could be."""
        paths = {f"{below}{'.'.join(parts[:number])}.py" for number in range(1, len(parts))}
        sources = {path for path in paths if path in self._note.files or self._is_file(path)}
        return bool(sources) and sources <= self.left.keys()

    def _is_file(self, path: str) -> bool:
        return path in (self._note.files if self._files is None else self._files)

    def is_same_directory(self, path: str, found: os.DirEntry[str] | Path) -> bool:
        """Whether a directory lets the same people do the same as when it was noted."""
        state = found.stat() if isinstance(found, Path) else found.stat(follow_symlinks=False)
        if self._note.directories.get(path) != _owner_of(state):
            return False
        return all(name.startswith("security.") for name in _attributes(found))


def _remove(entry: os.DirEntry[str]) -> None:
    remove_tree(entry.path)
    if os.path.lexists(entry.path):
        raise PermissionError(f"{entry.path!r} cannot be removed")


def _attributes(found: os.DirEntry[str] | Path) -> list[str]:
    """What else is written of a directory, as who may do what there."""
    try:
        return os.listxattr(found, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def directories_of(manifest: Manifest) -> set[str]:
    """All directories that a tree of a project has, its root included."""
    paths = {".", *manifest.directories}
    paths.update(os.path.dirname(path) or "." for path in _paths_of(manifest))
    for path in list(paths):
        while path := os.path.dirname(path):
            paths.add(path)
    return paths


def _paths_of(manifest: Manifest) -> Iterator[str]:
    yield from (file.path for file in manifest.files)
    yield from (path for path, _ in manifest.links)


def _state_of(found: os.stat_result) -> State:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_mode


def _owner_of(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_mode, found.st_uid, found.st_gid


def _tells_of_changes(descriptor: int, *, after: int) -> bool:
    """Whether what is written to a file from now on by way of memory has a later time than `after`."""
    for _ in range(_TURNS):
        with mmap.mmap(descriptor, 1) as data:
            first = data[0]  # a page that was read is the harder case: tmpfs does not notice that it is written to
            data[0] = first
        if os.fstat(descriptor).st_ctime_ns > after:
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def remove_tree(path: str | Path) -> None:
    """Remove a directory, also what a test has made unreadable in it."""
    shutil.rmtree(path, onerror=_make_removable)


def _make_removable(remove: Any, path: str, _error: Any) -> None:
    try:
        for place in (os.path.dirname(path), path):
            # What may be written to keeps its mode: it may stay.
            if os.path.isdir(place) and not os.path.islink(place) and not os.access(place, _ALL):
                os.chmod(place, 0o700)
        if remove in (os.open, os.scandir, os.listdir):
            shutil.rmtree(path, ignore_errors=True)
        else:
            remove(path)
    except OSError:
        return  # who looks for it finds it still


_decoder = msgspec.msgpack.Decoder(TreeNote)
_size_decoder = msgspec.msgpack.Decoder(_Size)
