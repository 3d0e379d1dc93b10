"""Old runs grow small: their journals are packed away once the database has them whole."""

from __future__ import annotations

import fcntl
import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pulseq.errors import InfrastructureError
from pulseq.ownership import make_own_directory, open_own
from pulseq.results.database import Database
from pulseq.results.journal import JOURNAL_NAME, journal_path

ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What was packed away: the runs, and by how many bytes the state directory shrank."""

    runs: tuple[str, ...]
    freed_bytes: int


def archive_path(home: Path, run_id: str) -> Path:
    """Where the packed journal of a run stands in a state directory."""
    return home / ARCHIVE / f"{run_id}.jsonl.gz"


def pack_old_runs(home: Path, database: Database, *, keep_seconds: float, now: float) -> RetentionReport:
    """Pack the journals of runs that ended over `keep_seconds` ago, and remove the rest of their directories.

    Only journals of which the database has every byte are packed, so call `ingest.sync` before. A run without an
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
    for run_id, end_offset in _ended_before(database, now - keep_seconds):
        with _journal_at_rest(home, run_id, end_offset) as at_rest:
            if at_rest:
                freed += _pack(home, run_id)
                packed.append(run_id)
    return RetentionReport(tuple(packed), freed)


def _ended_before(database: Database, moment: float) -> list[tuple[str, int]]:
    """Runs that ended before a moment, with the bytes of their journals that the database has."""
    if not database.path.exists():
        return []
    query = """
        SELECT run_id, end_offset FROM runs JOIN journals USING (run_id)
        WHERE finished_at < make_timestamptz(?) ORDER BY run_id
    """
    with database.read() as connection:
        rows = connection.execute(query, [int(moment * 1_000_000)]).fetchall()
    return [(str(run_id), int(end_offset)) for run_id, end_offset in rows]


@contextmanager
def _journal_at_rest(home: Path, run_id: str, end_offset: int) -> Iterator[bool]:
    """Whether nobody writes the journal (nobody can meanwhile) and the database has all of it."""
    try:
        descriptor = os.open(journal_path(home, run_id), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield os.fstat(descriptor).st_size == end_offset
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


def _pack(home: Path, run_id: str) -> int:
    """Pack one journal; the bytes that this freed."""
    directory, target = home / "runs" / run_id, archive_path(home, run_id)
    before = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
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
