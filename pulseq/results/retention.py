"""Old runs grow small: their journals are packed away once the database has them whole."""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pulseq.errors import InfrastructureError
from pulseq.ownership import make_own_directory, open_own
from pulseq.results.database import Database
from pulseq.results.journal import JOURNAL_NAME, journal_path
from pulseq.results.journal_mark import JournalMark, read_mark

ARCHIVE = "archive"
_PACKED = ".jsonl.gz"


class UnpackingError(InfrastructureError):
    """A packed journal that cannot be read."""


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What was packed away: the runs, and by how many bytes the state directory shrank."""

    runs: tuple[str, ...]
    freed_bytes: int


def archive_path(home: Path, run_id: str) -> Path:
    """Where the packed journal of a run stands in a state directory."""
    return home / ARCHIVE / f"{run_id}{_PACKED}"


def pack_old_runs(home: Path, database: Database, *, keep_seconds: float, now: float) -> RetentionReport:
    """Pack the journals of runs that ended over `keep_seconds` ago, and remove the rest of their directories.

    Only journals of which the database has every byte are packed, so call `sync` before. A run without an
    end (it may go on, or wait to be resumed) stays. Rows stay in the database. To get a journal back, unpack
    it to `runs/<run id>/journal.jsonl`.

    Args:
        now: Unix seconds that `keep_seconds` are counted back from.

    Raises:
        InfrastructureError: the disk is full; what was not packed is as it was.
        DatabaseBusyError: another process held the database for longer than its patience.
    """
    packed: list[str] = []
    freed = 0
    for mark, end_offset in _ended_before(database, now - keep_seconds):
        with _journal_at_rest(home, mark, end_offset) as at_rest:
            if at_rest:
                freed += _pack(home, mark.run_id)
                packed.append(mark.run_id)
    return RetentionReport(tuple(packed), freed)


def packed_runs(home: Path) -> list[str]:
    """The runs whose journals are packed away in a state directory."""
    return sorted(path.name.removesuffix(_PACKED) for path in (home / ARCHIVE).glob(f"*{_PACKED}"))


@contextmanager
def unpacked(home: Path, run_id: str) -> Iterator[Path]:
    """A packed journal as it was, in a directory that is gone at the end of the block.

    Raises:
        UnpackingError: it cannot be unpacked: it is damaged, or the disk is full.
    """
    with tempfile.TemporaryDirectory(dir=home / ARCHIVE) as place:
        journal = Path(place, run_id, JOURNAL_NAME)
        journal.parent.mkdir()
        try:
            with gzip.open(archive_path(home, run_id)) as packed, open(journal, "wb") as stream:
                shutil.copyfileobj(packed, stream)
        except (OSError, EOFError, zlib.error) as error:
            raise UnpackingError(
                f"the packed journal {str(archive_path(home, run_id))!r} cannot be unpacked: {error}; "
                "move it out of the way, or free some space"
            ) from error
        yield journal


def _ended_before(database: Database, moment: float) -> list[tuple[JournalMark, int]]:
    """The journals of runs that ended before a moment, with the bytes of them that the database has."""
    if not database.path.exists():
        return []
    query = """
        SELECT run_id, first_line, end_offset FROM runs JOIN journals USING (run_id)
        WHERE finished_at < make_timestamptz(?) ORDER BY run_id
    """
    with database.read() as connection:
        rows = connection.execute(query, [int(moment * 1_000_000)]).fetchall()
    return [(JournalMark(run_id, first_line), end_offset) for run_id, first_line, end_offset in rows]


@contextmanager
def _journal_at_rest(home: Path, mark: JournalMark, end_offset: int) -> Iterator[bool]:
    """Whether nobody writes the journal (nobody can meanwhile) and the database has all of it."""
    journal = journal_path(home, mark.run_id)
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.fstat(descriptor).st_size == end_offset and read_mark(journal) == mark
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _pack(home: Path, run_id: str) -> int:
    """Pack one journal; the bytes that this freed."""
    directory, target = home / "runs" / run_id, archive_path(home, run_id)
    before = _size_of(directory)
    unfinished = target.with_suffix(".part")
    try:
        make_own_directory(target.parent)
        with (
            open(directory / JOURNAL_NAME, "rb") as journal,
            open(open_own(unfinished, os.O_WRONLY | os.O_TRUNC), "wb") as stream,
        ):
            with gzip.GzipFile(fileobj=stream, mode="wb") as packer:
                shutil.copyfileobj(journal, packer)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.rename(target)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise InfrastructureError(
            f"the journal of run {run_id!r} cannot be packed: {error.strerror or error}"
        ) from error
    shutil.rmtree(directory)
    return before - target.stat().st_size


def _size_of(directory: Path) -> int:
    """The bytes of its files; what has several names counts once."""
    states = (file.lstat() for file in directory.rglob("*") if file.is_file() and not file.is_symlink())
    return sum({(state.st_dev, state.st_ino): state.st_size for state in states}.values())
