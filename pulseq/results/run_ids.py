"""Whether the id of a run has been used: two runs under one id would be told apart by nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.results.database import Database, DatabaseBusyError, DatabaseDamagedError
from pulseq.results.journal import journal_path
from pulseq.results.retention import archive_path

_PATIENCE_SECONDS = 0.5


def refuse_used_id(run_id: str, home: Path, database: Path) -> None:
    """Refuse a run's id that another run has, and a database that a newer PulseQ wrote, before anything is started.

    A database that is not there, locked or damaged is no reason not to run: the journal takes the results.

    Raises:
        UsageError: the state directory, or the database, has a run of this id already.
        SchemaVersionError: names both versions.
    """
    for place in (journal_path(home, run_id), archive_path(home, run_id)):
        if place.exists():
            raise _used(run_id, home)
    if not database.exists():
        return
    with suppress(DatabaseBusyError, DatabaseDamagedError):
        with Database(database, patience_seconds=_PATIENCE_SECONDS).read() as connection:
            rows = connection.execute("SELECT 1 FROM runs WHERE run_id = ?", [run_id]).fetchall()
        if rows:
            raise _used(run_id, database)


def _used(run_id: str, place: Path) -> UsageError:
    return UsageError(f"--run-id: found {run_id!r}, which is a run in {str(place)!r} already; choose another")
