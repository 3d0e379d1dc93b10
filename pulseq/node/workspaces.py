"""Trees of runs on a host: each has a place of its own, which its nodes share and which goes with the last of them.

A place is claimed by a lock on a file beside it, which says whose it is. Who holds the lock has a node in the run, so
a place whose lock can be had is left over, whatever has become of its nodes. A project gets the same places again
and again: what makes it ready there may write them down.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pulseq.node.blob_store import BlobStore
from pulseq.node.kept_trees import KeptTrees
from pulseq.node.tree_note import State, remove_tree
from pulseq.ownership import make_own_directory, open_own
from pulseq.protocol.project_files import Manifest, ProjectFile

#: So many runs may have a workspace of one project on one host.
_MOST_PLACES = 100
_LOCK = ".lock"
_BLOBS = ".blobs"
_FILES_AT_A_TIME = 64
_TRASH_TURNS = 10
_DIGEST_BYTES = 32


class NoSuchNameError(OSError):
    """This host cannot have a file of that name; the text has it."""


class UnwantedError(OSError):
    """A tree is not made any further: its run was left."""


@dataclass(slots=True)
class Claim:
    """A place that a run has on this host, as long as this process holds it.

    Attributes:
        place: the tree's root; its name is that of the project's.
    """

    place: Path
    lock: IO[Any]

    @property
    def holder(self) -> Path:
        """The directory that the tree is in."""
        return self.place.parent


class Workspaces:
    """The places in a directory of this user alone.

    Args:
        kept: keeps the trees that are given up in order.
    """

    def __init__(self, directory: Path, kept: KeptTrees | None = None) -> None:
        self._directory = directory
        self._kept = kept
        self._trash = directory / "trash"

    def claim(self, run_id: str, root: str) -> Claim:
        """A place for a run that has none here: empty, or with the tree that an earlier one has given up there.

        Raises:
            OSError: it cannot be made.
        """
        key = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
        with self._deciding():
            for number in range(_MOST_PLACES):
                holder = self._directory / f"{key}{number:02}"
                if (lock := _lock(holder, fcntl.LOCK_EX)) is not None:
                    self._discard(holder)
                    claim = Claim(holder / os.path.basename(root), lock)
                    try:
                        lock.write(run_id)
                        lock.flush()
                        if self._kept is not None:
                            self._kept.take(holder)
                        claim.place.mkdir(mode=0o700, parents=True, exist_ok=True)
                    except OSError:
                        lock.close()
                        raise
                    # To be shared with the other nodes of the run; nobody else decides meanwhile.
                    fcntl.flock(lock, fcntl.LOCK_SH)
                    return claim
        raise OSError(errno.EBUSY, f"{_MOST_PLACES} runs have a workspace of this project here")

    def join(self, run_id: str, place: Path) -> Claim | None:
        """The place that a run has got here already; None where it is not there any more."""
        with self._deciding():
            lock = _lock(place.parent, fcntl.LOCK_SH) if place.is_dir() else None
            if lock is None:
                return None
            if lock.read() != run_id:
                lock.close()
                return None
            return Claim(place, lock)

    def fit(self, claim: Claim, manifest: Manifest) -> Mapping[str, State]:
        """Leave in a place that was just claimed what is of this project; the files that need not be made.

        Raises:
            OSError: it cannot be used.
        """
        if self._kept is None:
            return {}
        try:
            return self._kept.fit(claim.place, manifest)
        except OSError:
            with self._deciding():
                self._throw_away(claim.holder)
            claim.place.mkdir(mode=0o700, parents=True)
            return {}

    def leave(self, claim: Claim) -> None:
        """Give a place up; the last who does keeps the tree for the next run, or removes what is there."""
        with self._deciding():
            claim.lock.close()
            lock = _lock(claim.holder, fcntl.LOCK_EX)
        if lock is not None:
            if self._kept is not None:
                self._kept.keep(claim.place)
            with self._deciding():
                self._give_back(claim.holder, lock)
        self.empty_trash()

    def kept_bytes(self) -> int:
        """How many bytes all trees have that are kept."""
        return 0 if self._kept is None else sum(size for _, size, _ in self._kept.sizes())

    def forget(self, limit: int) -> None:
        """Forget old trees, and the longest unused, until all that are kept have no more bytes than this."""
        if self._kept is None:
            return
        with self._deciding():
            gone = list(self._kept.old())
            kept = sorted(one for one in self._kept.sizes() if one[2] not in gone)
            total = sum(size for _, size, _ in kept)
            for _, size, path in kept:
                if total > limit:
                    gone.append(path)
                    total -= size
            for path in gone:
                self._throw_away(path)
                self._kept.drop_note(path)
        self.empty_trash()

    def sweep(self) -> None:
        """Remove what is left of runs that nobody here takes part in any more."""
        if not self._directory.is_dir():
            return
        with self._deciding():
            for lock in self._directory.glob(f"*{_LOCK}"):
                self._discard_unused(lock.with_suffix(""))
        self.empty_trash()

    def note_blobs(self, claim: Claim, digests: Iterable[bytes]) -> None:
        """Write down which blobs a run uses."""
        claim.holder.with_suffix(_BLOBS).write_bytes(b"".join(digests))

    def used_blobs(self) -> set[bytes]:
        """Which blobs are used by runs that have a place here."""
        used: set[bytes] = set()
        for path in self._directory.glob(f"*{_BLOBS}"):
            with contextlib.suppress(FileNotFoundError):
                told = path.read_bytes()
                used.update(told[at : at + _DIGEST_BYTES] for at in range(0, len(told), _DIGEST_BYTES))
        return used

    def empty_trash(self) -> None:
        """Remove what was given up."""
        if self._trash.exists():
            remove_tree(self._trash)

    @contextlib.contextmanager
    def _deciding(self) -> Iterator[None]:
        """While this lasts nobody else takes a place, or gives one up."""
        make_own_directory(self._directory)
        with open(open_own(self._directory / "deciding", os.O_RDWR), "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _discard_unused(self, holder: Path) -> None:
        lock = _lock(holder, fcntl.LOCK_EX)
        if lock is not None:
            self._give_back(holder, lock)

    def _give_back(self, holder: Path, lock: IO[Any]) -> None:
        self._discard(holder)
        if self._kept is not None:
            self._kept.drop_note(holder)
        holder.with_suffix(_LOCK).unlink(missing_ok=True)
        lock.close()

    def _discard(self, holder: Path) -> None:
        """Take a tree away at once; that it is removed may take longer."""
        holder.with_suffix(_BLOBS).unlink(missing_ok=True)
        if holder.exists():
            self._throw_away(holder)

    def _throw_away(self, holder: Path) -> None:
        for turn in range(_TRASH_TURNS):
            try:
                self._trash.mkdir(mode=0o700, exist_ok=True)
                os.rename(holder, self._trash / secrets.token_hex(8))
                return
            except (FileNotFoundError, FileExistsError):
                # Another process, which decides nothing while it empties it, has just removed the directory.
                if turn == _TRASH_TURNS - 1:
                    raise


def _lock(holder: Path, how: int) -> IO[Any] | None:
    stream = open(open_own(holder.with_suffix(_LOCK), os.O_RDWR), "r+", encoding="utf-8")  # noqa: SIM115 - held on
    try:
        fcntl.flock(stream, how | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        return None
    if how == fcntl.LOCK_EX:
        stream.truncate(0)
    return stream


def make_tree(
    place: Path,
    manifest: Manifest,
    store: BlobStore,
    *,
    there: Container[str] = (),
    replace: bool = False,
    is_unwanted: Callable[[], bool] = lambda: False,
) -> None:
    """Make all of a project in an empty directory, or with `replace` in one that has some of it.

    Args:
        there: files that need not be made.
        is_unwanted: asked before each file: whether nobody wants the tree any more.

    Raises:
        UnwantedError: nobody does.
        DamagedBlobError: a blob is gone, or damaged.
        NoSuchNameError: this host cannot have a name of it.
        OSError: a file cannot be written.
    """
    for path in (*manifest.directories, *(file.path for file in manifest.files), *(path for path, _ in manifest.links)):
        _check(path)
    for path in {*manifest.directories, *(os.path.dirname(file.path) for file in manifest.files)}:
        _named(path, os.makedirs, place / path, exist_ok=True)
    files = [file for file in manifest.files if file.path not in there]
    groups = [files[at : at + _FILES_AT_A_TIME] for at in range(0, len(files), _FILES_AT_A_TIME)]
    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), 4), thread_name_prefix="pulseq-files") as pool:
        for _ in pool.map(lambda group: _place_all(group, place, store, replace, is_unwanted), groups):
            pass
    for path, target in manifest.links:  # last: no file is written by way of one
        _named(path, os.makedirs, place / os.path.dirname(path), exist_ok=True)
        if replace:
            (place / path).unlink(missing_ok=True)
        _named(path, os.symlink, target, place / path)


def _place_all(
    files: Iterable[ProjectFile], place: Path, store: BlobStore, replace: bool, is_unwanted: Callable[[], bool]
) -> None:
    for file in files:
        if is_unwanted():
            raise UnwantedError("the run was left")
        target = f"{place}/{file.path}"
        if replace:
            Path(target).unlink(missing_ok=True)
        _named(file.path, store.place, file.digest, file.size, target, mode=file.mode, mtime_ns=file.mtime_ns)


def _named(path: str, call: Any, *arguments: Any, **named: Any) -> None:
    try:
        call(*arguments, **named)
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
            raise NoSuchNameError(error.errno, f"it cannot have a file named {path!r} ({error.strerror})") from error
        raise


def _check(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        raise NoSuchNameError(errno.EINVAL, f"a project has no file at {path!r}, which is outside of it")
