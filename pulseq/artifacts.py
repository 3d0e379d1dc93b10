"""What tests leave behind: which of it comes home, what is told of it, and names that any disk and store can have.

Sizes are bytes. Names come from the code under test, so all of them go through `safe_path`, on the node that tells
them and again where they are written down.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Annotated

from msgspec import Meta, Struct

#: Most bytes that come home of one attempt, and of one run, where a suite says nothing else.
MOST_OF_A_TEST = 100_000_000
MOST_OF_A_RUN = 2_000_000_000

#: Where they are, in the directory of a run.
ARTIFACTS_FOLDER = "artifacts"
FAILED, ALL = "failed", "all"

#: Bytes of a name within a directory: some file systems take no more than 143.
_NAME_BYTES = 120
_PATH_BYTES = 480
_MOST_FOLDERS = 8
#: More than any path has that `safe_path` and `distinct` made.
_MOST_NAME_CHARACTERS = 1_000
#: As the hash of a content is written; a content on its way is called so.
SHA256_PATTERN = r"^[0-9a-f]{64}\Z"
_MEDIA_TYPE_PATTERN = r"^[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}\Z"
_LONGEST_ENDING = 16
_SHOWN = 3
#: What some file system, or a CI server that keeps files, does not take in a name.
_REFUSED = frozenset('"*/:<>?\\|')


class ArtifactRules(Struct, frozen=True):
    """What of a test comes home.

    Attributes:
        globs: of files below the test's cwd, besides those in the directory that `PULSEQ_ARTIFACTS` names.
        of: of which attempts: `failed` (those that failed or had an error) or `all`.
        limit: most bytes of one attempt.
    """

    globs: tuple[str, ...] = ()
    of: str = FAILED
    limit: int = MOST_OF_A_TEST


#: Those of a test that says nothing; one for all, as every queued test holds one.
USUAL_RULES = ArtifactRules()


class LeftFile(Struct, frozen=True):
    """A file as its node tells of it; `name` is its path below what it was found in, made safe.

    What else a node says is no message: paths are made of these, and limits kept by them.
    """

    name: Annotated[str, Meta(min_length=1, max_length=_MOST_NAME_CHARACTERS)]
    bytes: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    sha256: Annotated[str, Meta(pattern=SHA256_PATTERN)]
    media_type: Annotated[str, Meta(pattern=_MEDIA_TYPE_PATTERN)]


class Artifact(Struct, frozen=True, omit_defaults=True):
    """A file that was to come home.

    Attributes:
        path: where it is, below the directory of its run; None where it did not come.
        trouble: why not.
    """

    name: str
    bytes: int
    sha256: str
    media_type: str
    path: str | None = None
    trouble: str | None = None


def safe_path(parts: Iterable[str]) -> str:
    """The parts of a path below some directory as a path that is safe anywhere, and stays below.

    A part that is changed gets a digest of what it was, so that two never become one; what is safe stays as it is. Of
    a path that is too deep or too long the last part is left, in a directory that is called after the whole.
    """
    told = [part for part in parts if part]
    safe = [_safe_name(part) for part in told]
    whole = "/".join(safe)
    if len(safe) <= _MOST_FOLDERS and len(whole.encode()) <= _PATH_BYTES:
        return whole
    return f"{_digest('/'.join(told))}/{safe[-1]}"


def folder_of_test(test_id: str, variant: str) -> str:
    """The name of the directory of a test: its id for people, with a digest where that cannot be the name."""
    return _safe_name(f"{test_id} [{variant}]" if variant else test_id)


def distinct(names: Sequence[str]) -> list[str]:
    """The paths, each as it is or, where another one or a directory of one is called so, with a number."""
    # As a disk has them that knows no case.
    taken = {folder for name in names for folder in _folders_of(name.casefold())}
    told = []
    for name in names:
        unique, numbers = name, count(2)
        while unique.casefold() in taken:
            unique = _with_mark(name, str(next(numbers)))
        taken.add(unique.casefold())
        told.append(unique)
    return told


def _folders_of(path: str) -> Iterator[str]:
    return (path[:place] for place, character in enumerate(path) if character == "/")


def _safe_name(text: str) -> str:
    safe = "".join(one if one.isprintable() and one not in _REFUSED else "_" for one in text).rstrip(". ")
    if safe == text and len(safe.encode()) <= _NAME_BYTES:
        return safe
    return _with_mark(safe or "_", _digest(text))


def _with_mark(name: str, mark: str) -> str:
    """A name with a mark before its ending, cut where that makes it too long."""
    folder, slash, last = name.rpartition("/")
    stem, ending = _split(last)
    room = _NAME_BYTES - len(f"-{mark}{ending}".encode())
    stem = stem.encode()[:room].decode(errors="ignore")
    return f"{folder}{slash}{stem}-{mark}{ending}"


def _split(name: str) -> tuple[str, str]:
    """A name as what is before its ending, and the ending, which is empty for a name that has none."""
    found = re.fullmatch(r"(.+?)((?:\.tar)?\.[A-Za-z0-9]+)", name, re.DOTALL)
    if found is None or len(found[2]) > _LONGEST_ENDING:
        return name, ""
    return found[1], found[2]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def warn_of_missing(files: Iterable[Artifact]) -> tuple[str, ...]:
    """What is to be said of files that did not come home, a line for each reason; the database says the same."""
    names: dict[str, list[str]] = {}
    for file in files:
        if file.trouble is not None:
            names.setdefault(file.trouble, []).append(file.name)
    return tuple(f"artifacts that did not come home: {_some(missing)} ({why})" for why, missing in names.items())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def say_size(size: int) -> str:
    """Bytes for people: `12 kB`, `1.2 MB`."""
    if size < 1_000:
        return f"{size} B"
    for unit, bytes_of_unit in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if size < 999.5 * bytes_of_unit:
            return f"{size / bytes_of_unit:.3g} {unit}"
    return f"{size / 1e9:.0f} GB"
