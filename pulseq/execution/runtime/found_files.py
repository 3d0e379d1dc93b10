"""Which files a glob finds, and how one is known again."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Deque, Dict, Iterator, List, Set, Tuple, Union

#: A file as it was written: device, inode, bytes, nanoseconds of its last change. Its name is no part of it.
Mark = Tuple[int, int, int, int]

_ANY_DEPTH = "**"


@dataclass(frozen=True)
class FoundFile:
    """A file that a glob found, and what it is known again by."""

    path: str
    mark: Mark


def find_files(pattern: str, directory: str) -> List[FoundFile]:
    """The files that a glob finds in an absolute directory, sorted by path, each once by whatever names.

    As with Python's `glob`, `**` stands for any number of directories, and neither it nor `*` for names with a dot
    in front. A link to a directory is followed, but no directory is gone through twice, so that a link that leads
    round ends.
    """
    # A separator at its end asks for directories.
    parts = () if pattern.endswith(os.sep) else tuple(part for part in pattern.split(os.sep) if part)
    walk = _Walk(parts)
    walk.go(os.sep if pattern.startswith(os.sep) else directory)
    return sorted(walk.found.values(), key=lambda file: file.path)


@dataclass
class _Walk:
    """From directory to directory; what is reached by links comes last, so that files have their own names."""

    parts: Tuple[str, ...]
    found: Dict[Union[Tuple[int, int], str], FoundFile] = field(default_factory=dict)
    _waiting: Deque[Tuple[str, int]] = field(default_factory=deque)
    _linked: Deque[Tuple[str, int]] = field(default_factory=deque)
    #: Directories, by device and inode, and the part of the pattern that was looked for in them.
    _seen: Set[Tuple[int, int, int]] = field(default_factory=set)

    def go(self, directory: str) -> None:
        if self.parts:
            self._waiting.append((directory, 0))
        while self._waiting or self._linked:
            place, index = (self._waiting or self._linked).popleft()
            with contextlib.suppress(OSError):  # gone meanwhile, or not ours to read
                state = os.stat(place)
                if (state.st_dev, state.st_ino, index) not in self._seen:
                    self._seen.add((state.st_dev, state.st_ino, index))
                    self._look(place, index)

    def _look(self, place: str, index: int) -> None:
        part, last = self.parts[index], index == len(self.parts) - 1
        if part == _ANY_DEPTH:
            if not last:
                self._waiting.append((place, index + 1))
            for path in _listed(place, "*"):
                self._take(path, index, last=last)
        elif any(character in part for character in "*?["):
            for path in _listed(place, part):
                self._take(path, index + 1, last=last)
        else:
            self._take(os.path.join(place, part), index + 1, last=last)

    def _take(self, path: str, index: int, *, last: bool) -> None:
        """Go on in a directory, or keep a file, where the pattern leads there."""
        with contextlib.suppress(OSError):  # a link to nowhere or to itself, or gone since it was listed
            state = os.stat(path)
            if not stat.S_ISDIR(state.st_mode):
                if last:
                    self._keep(path, state)
            elif index < len(self.parts):
                (self._linked if os.path.islink(path) else self._waiting).append((path, index))

    def _keep(self, path: str, state: os.stat_result) -> None:
        # Some network file systems have no inodes to tell.
        key = (state.st_dev, state.st_ino) if state.st_ino else path
        mark = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
        self.found.setdefault(key, FoundFile(path, mark))


def _listed(place: str, pattern: str) -> Iterator[str]:
    hidden = pattern.startswith(".")
    for name in sorted(os.listdir(place)):
        if (hidden or not name.startswith(".")) and fnmatchcase(name, pattern):
            yield os.path.join(place, name)
