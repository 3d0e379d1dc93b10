"""A project as it is now: all that is sent of it, with hashes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pulseq.blobs import ChangingFileError, NoRegularFileError
from pulseq.errors import UsageError
from pulseq.project import ProjectSpec
from pulseq.projects.hash_cache import HashCache
from pulseq.projects.project_files import find_files, refuse_unreadable
from pulseq.protocol.project_files import Manifest, ProjectFile

#: Of what was left out so many are named.
_MOST_NAMED = 3
_FILES_AT_A_TIME = 64


@dataclass(frozen=True, slots=True)
class ReadProject:
    """What travels of a project, and what its user should hear of that."""

    manifest: Manifest
    notes: tuple[str, ...] = ()


def read_manifest(root: Path, spec: ProjectSpec, *, home: Path) -> ReadProject:
    """Read the files of a project; those that were not written to since an earlier run are not read again.

    Args:
        home: the state directory, which keeps their hashes and does not travel.

    Raises:
        UsageError: a file cannot be read, or is written to all the time; or there is none.
    """
    found = find_files(root, spec, never=[home])
    if not found.files:
        raise UsageError(_say_empty(root, spec))
    cache = HashCache.of_project(home, root)
    left_out = list(found.left_out)
    files: list[ProjectFile] = []
    for path, file in zip(found.files, _hash_all(root, found.files, cache), strict=True):
        if isinstance(file, ProjectFile):
            files.append(file)
        elif file is not None:
            left_out.append((path, file))
    cache.keep()
    manifest = Manifest(os.fspath(root), tuple(files), tuple(found.links), tuple(found.directories))
    return ReadProject(manifest, tuple(_say_left_out(left_out)))


def _hash_all(root: Path, paths: Sequence[str], cache: HashCache) -> Iterator[ProjectFile | str | None]:
    groups = [paths[at : at + _FILES_AT_A_TIME] for at in range(0, len(paths), _FILES_AT_A_TIME)]
    threads = min(len(groups), len(os.sched_getaffinity(0)), 4)
    with ThreadPoolExecutor(threads, thread_name_prefix="pulseq-hash") as pool:
        for some in pool.map(lambda group: [_hash(root, path, cache) for path in group], groups):
            yield from some


def _hash(root: Path, path: str, cache: HashCache) -> ProjectFile | str | None:
    """A file; why it is left out; None where it has gone meanwhile."""
    try:
        digest, state = cache.hash(root, path)
    except FileNotFoundError:
        return None
    except NoRegularFileError:
        return "is no regular file"
    except ChangingFileError as error:
        raise UsageError(
            f"the project at {str(root)!r} cannot be sent to other hosts: {path!r} is being written to ({error}); "
            "end what writes it, or name it in the suite's `project: {exclude: …}`"
        ) from None
    except OSError as error:
        raise refuse_unreadable(root, path, error) from error
    return ProjectFile(path, digest, state.size, state.mode, state.mtime_ns)


def _say_empty(root: Path, spec: ProjectSpec) -> str:
    why = "git ignores all of it, or there is none" if spec.ship is None else "`project: {ship: …}` matches none"
    return (
        f"the project at {str(root)!r} has no file to send to other hosts ({why}): name its directory in the suite's "
        "`project: {root: …}` and what travels in `ship`, or use --no-ship where hosts have it at the same path"
    )


def _say_left_out(left_out: Iterable[tuple[str, str]]) -> Iterator[str]:
    told = [f"{path!r} {why}" for path, why in left_out]
    if told:
        more = f" and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
        yield f"not sent to other hosts: {'; '.join(told[:_MOST_NAMED])}{more}"
