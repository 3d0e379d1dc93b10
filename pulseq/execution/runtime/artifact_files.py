"""The files that a test leaves behind, beside those in its own directory: what its globs find that it has written."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from typing import Any, BinaryIO, Callable, Dict, Iterable, List, Mapping, Set, Tuple

from .found_files import FoundFile, Mark, find_files

#: Where files that were found lie, in the directory that is handed over; beside `OWN_ARTIFACTS`.
FOUND_ARTIFACTS = "found"
#: So many files of one attempt come home.
MOST_FILES = 1000

_CHUNK = 1024 * 1024
_SHOWN = 3
_NAME_CHARACTERS = 100


class FileRefusedError(Exception):
    """A file does not come home; the text says why."""


class LeftOut:
    """What does not come home, and why: one warning for each reason."""

    def __init__(self) -> None:
        self._names: Dict[str, List[str]] = {}

    def note(self, name: str, why: str) -> None:
        """Take note of a file, by its name for people."""
        self._names.setdefault(why, []).append(name)

    def warnings(self) -> List[str]:
        """All of it in sentences, with names that any terminal can show."""
        return [_say(why, names) for why, names in self._names.items()]


def _say(why: str, names: List[str]) -> str:
    shown = ", ".join(_quoted(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"not kept as artifacts: {shown}{more} ({why})"


def _quoted(name: str) -> str:
    text = ascii(os.fsencode(name).decode("utf-8", "backslashreplace"))
    return text if len(text) <= _NAME_CHARACTERS else f"{text[: _NAME_CHARACTERS - 1]}...'"


def open_regular(path: str) -> Tuple[BinaryIO, os.stat_result]:
    """A file for reading, however it came to be there: no pipe blocks, no link is followed.

    Raises:
        FileRefusedError: it is not there, is no regular file, or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileRefusedError("gone before it was read") from None
    except OSError as error:
        raise FileRefusedError(f"cannot be read: {error.strerror}") from None
    file = open(descriptor, "rb")  # noqa: SIM115
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        file.close()
        raise FileRefusedError("no regular file")
    return file, state


def check_unchanged(file: BinaryIO, before: os.stat_result) -> None:
    """Raise FileRefusedError where a file is another one than when it was opened."""
    after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise FileRefusedError("changed while it was read")


def locate_below(path: str, directory: str) -> str:
    """The real place of a file; FileRefusedError where a link on the way leads out of the directory."""
    real = os.path.realpath(path)
    if not real.startswith(os.path.realpath(directory) + os.sep):
        raise FileRefusedError("a link that leads out of its directory")
    return real


def find_all(globs: Iterable[str], directory: str) -> List[FoundFile]:
    """What any of the globs finds below a directory, each file once."""
    found = {file.path: file for pattern in globs for file in find_files(pattern, directory)}
    return [found[path] for path in sorted(found)]


class Collector:
    """Finds what an attempt has written where its test's globs look.

    Args:
        wanted: `globs`, `of` and `limit` of the test, and the `cwd` that they are relative to.
    """

    def __init__(self, wanted: Mapping[str, Any]) -> None:
        self._globs: List[str] = list(wanted["globs"])
        self._cwd: str = wanted["cwd"]
        self._limit: int = wanted["limit"]
        self._all = wanted["of"] == "all"
        self._before: Set[Mark] = set()

    def note(self) -> List[Mark]:
        """Look at what is there before an attempt begins; its marks, which `restore` takes."""
        self._before = {file.mark for file in find_all(self._globs, self._cwd)}
        return sorted(self._before)

    def restore(self, marks: Iterable[Iterable[int]]) -> None:
        """Know what another process has noted."""
        self._before = {(one[0], one[1], one[2], one[3]) for one in map(tuple, marks)}

    def wants(self, status: str) -> bool:
        """Whether files of an attempt with this status come home."""
        return self._all or status in ("failed", "error")

    def collect(self, make_place: Callable[[], str]) -> List[str]:
        """Copy what is new or changed since `note`; a file that a later attempt writes again is not lost.

        Args:
            make_place: gives the directory to copy into; called when there is something.

        Returns:
            warnings about what was left out.
        """
        new = [file for file in find_all(self._globs, self._cwd) if file.mark not in self._before]
        left_out, room = LeftOut(), self._limit
        for number, file in enumerate(new):
            name = os.path.relpath(file.path, self._cwd)
            try:
                if number >= MOST_FILES:
                    raise FileRefusedError(f"over {MOST_FILES} files")
                room -= self._copy(file.path, os.path.join(make_place(), FOUND_ARTIFACTS, name), room)
            except FileRefusedError as refusal:
                left_out.note(name, str(refusal))
            except OSError as error:
                left_out.note(name, f"cannot be copied: {error.strerror}")
        return left_out.warnings()

    def _copy(self, path: str, target: str, room: int) -> int:
        source, state = open_regular(locate_below(path, self._cwd))
        with closing(source):
            if state.st_size > room:
                raise FileRefusedError(f"over the artifacts_limit of {self._limit} bytes")
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            try:
                with open(target, "wb") as copy:
                    _copy_bytes(source, copy, state.st_size)
                check_unchanged(source, state)
            except (FileRefusedError, OSError):
                os.unlink(target)
                raise
        return state.st_size


def _copy_bytes(source: BinaryIO, copy: BinaryIO, count: int) -> None:
    """Copy so many bytes, and no more of a file that somebody goes on writing."""
    while count > 0 and (data := source.read(min(count, _CHUNK))):
        copy.write(data)
        count -= len(data)
