"""Which files of a project travel, which do not, and why."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.project import ProjectSpec
from pulseq.projects.git_files import find_work_tree, list_with_git
from pulseq.projects.path_globs import PathGlobs
from pulseq.security.credentials import BUNDLE_MARK

#: Never sent: what git keeps for itself, and state directories by their usual name.
_NEVER = frozenset({".git", ".pulseq"})
_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(slots=True)
class FoundFiles:
    """What there is in a project; paths are relative to its root.

    Attributes:
        links: symbolic links and what they are to point to.
        directories: those that are empty.
        left_out: what does not travel although it was meant to, and why.
    """

    files: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


def find_files(root: Path, spec: ProjectSpec, *, never: Iterable[Path] = ()) -> FoundFiles:
    """What of a project travels: what git tracks or does not ignore, or what `ship` says; without what is excluded.

    Args:
        never: directories that do not, wherever they are.

    Raises:
        UsageError: a directory cannot be read.
    """
    found = FoundFiles()
    looking = _Looking(root, Path(os.path.realpath(root)), PathGlobs(spec.exclude), _below(root, never), _own_outputs())
    listed = list_with_git(root) if spec.ship is None and find_work_tree(root) else None
    wanted = PathGlobs(spec.ship) if spec.ship is not None else None
    for path in looking.walk(wanted.tops if wanted else ["."]) if listed is None else looking.among(listed):
        if wanted is None or wanted.match(path):
            looking.take(path, found)
    return found


def _below(root: Path, places: Iterable[Path]) -> frozenset[str]:
    """Those of some directories that are in the project, relative to its root."""
    relative = (os.path.relpath(os.path.realpath(place), os.path.realpath(root)) for place in places)
    return frozenset(path for path in relative if not path.startswith(os.pardir))


@dataclass(slots=True)
class _Looking:
    root: Path
    real_root: Path
    exclude: PathGlobs
    never: frozenset[str]
    own_outputs: frozenset[tuple[int, int]]

    def among(self, paths: Iterable[str]) -> Iterator[str]:
        """Those of some paths that are not left out."""
        for path in paths:
            parts = path.split(os.sep)
            if _NEVER.isdisjoint(parts) and not self._is_never(path) and not self.exclude.match(path):
                yield path

    def walk(self, tops: Iterable[str]) -> Iterator[str]:
        """All that is in these directories, or is one of these files, and not left out, in the order of the names."""
        for top in tops:
            path = os.path.normpath(top)
            place = self.root / path
            if path.startswith(os.pardir) or not os.path.lexists(place):
                continue
            if path == ".":
                yield from self._walk("")
            elif not self._is_left_out(path):
                yield from self._walk(path) if place.is_dir() and not place.is_symlink() else [path]

    def _walk(self, path: str) -> Iterator[str]:
        try:
            with os.scandir(self.root / path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if path and isinstance(error, FileNotFoundError):  # gone since it was seen
                return
            raise UsageError(_say_unreadable(self.root, path, error)) from error
        if not found and path:
            yield path
        for entry in found:
            below = f"{path}/{entry.name}" if path else entry.name
            if not self._is_left_out(below):
                yield from self._walk(below) if entry.is_dir(follow_symlinks=False) else [below]

    def _is_left_out(self, path: str) -> bool:
        return os.path.basename(path) in _NEVER or self._is_never(path) or self.exclude.match(path)

    def _is_never(self, path: str) -> bool:
        return bool(self.never) and any(path == one or path.startswith(f"{one}{os.sep}") for one in self.never)

    def take(self, path: str, found: FoundFiles) -> None:
        """Note what there is under a path."""
        try:
            found_there = os.lstat(f"{self.root}/{path}")
        except FileNotFoundError:  # git tracks it still
            return
        except OSError as error:
            raise UsageError(_say_unreadable(self.root, path, error)) from error
        mode = found_there.st_mode
        if stat.S_ISREG(mode):
            if why := self._find_own(path, found_there):
                found.left_out.append((path, why))
            else:
                found.files.append(path)
        elif stat.S_ISLNK(mode):
            self._take_link(path, found)
        elif stat.S_ISDIR(mode):
            found.directories.append(path)
        else:
            found.left_out.append((path, f"is {_KINDS.get(stat.S_IFMT(mode), 'no file')}"))

    def _find_own(self, path: str, found: os.stat_result) -> str | None:
        """What a file is to PulseQ itself, that is no part of anybody's project; None for all others."""
        if (found.st_dev, found.st_ino) in self.own_outputs:
            return "is what this run writes to"
        if path.endswith(".pem"):
            with contextlib.suppress(OSError), open(self.root / path, "rb") as stream:
                if stream.read(len(BUNDLE_MARK)) == BUNDLE_MARK.encode():
                    return "holds credentials, with which any host would be a member of the site"
        return None

    def _take_link(self, path: str, found: FoundFiles) -> None:
        try:
            target = os.readlink(self.root / path)
        except OSError:  # gone since it was seen, or no link any more
            return
        there = Path(os.path.realpath(self.root / path))
        if not there.is_relative_to(self.real_root):
            found.left_out.append((path, f"points to {target!r}, which is outside the project"))
            return
        if os.path.isabs(target):
            here = os.path.realpath(os.path.dirname(self.root / path))
            target = os.path.relpath(there, here)
        found.links.append((path, target))


def _own_outputs() -> frozenset[tuple[int, int]]:
    outputs = set()
    for number in (1, 2):
        with contextlib.suppress(OSError):
            found = os.fstat(number)
            outputs.add((found.st_dev, found.st_ino))
    return frozenset(outputs)


def _say_unreadable(root: Path, path: str, error: OSError) -> str:
    return (
        f"the project at {str(root)!r} cannot be sent to other hosts: {path!r} cannot be read "
        f"({error.strerror or error}); make it readable, or name it in the suite's `project: {{exclude: …}}`"
    )


def refuse_unreadable(root: Path, path: str, error: OSError) -> UsageError:
    """The error for a file of a project that cannot be read."""
    return UsageError(_say_unreadable(root, path, error))
