"""A run that somebody asks for: from the database, or from its journal where the database has not all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pulseq.errors import PulseqError, UsageError
from pulseq.events import RunStarted
from pulseq.models import Key
from pulseq.records import RunRecord
from pulseq.results.database import Database, DatabaseBusyError
from pulseq.results.flow_runs import is_being_written
from pulseq.results.journal import journals_in, read_journal
from pulseq.results.lean_replay import LeanReplay
from pulseq.results.stored_run import load_run

#: The key under which the options of a run have the database that its results are to go to.
DATABASE = "database"
#: Nobody waits long for somebody who has left a client open: the journals are there.
PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run, and where it was found.

    Attributes:
        record: the run; from a journal without what its attempts said.
        note: what is to be said of it, and to be done; empty where the database has it, or it goes on.
        fill: has these tests in the record with what their attempts said.
    """

    record: RunRecord
    note: str = ""
    fill: Callable[[Iterable[Key]], None] = lambda keys: None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """How much of a run a database has.

    Attributes:
        end_offset: bytes of its journal.
        ended: whether its end is there: what a journal has after that are notes.
    """

    started_at: float
    end_offset: int
    ended: bool

    def has_all_of(self, journal: Path) -> bool:
        return self.ended or journal.stat().st_size <= self.end_offset


@dataclass(frozen=True, slots=True)
class MissingRun:
    """A run of which a database has not all that its journal has."""

    run_id: str
    started_at: float
    journal: Path

    @property
    def goes_on(self) -> bool:
        """Whether it is being written, so that the database is behind it by right."""
        return is_being_written(self.journal)


def find_run(home: Path, database: Database, run_id: str | None = None) -> FoundRun:
    """A run, the last one when none is named, from the database or, where that has not all of it, from its journal.

    Raises:
        UsageError: there is no such run.
        DatabaseBusyError: another process holds the database, and no journal has the run.
    """
    busy, stored = _look_into(database)
    missing = {run.run_id: run for run in _missing(home, database.path, stored)}
    wanted = run_id or _newest(missing.values(), stored)
    found = missing.get(wanted) if wanted is not None else None
    if found is not None:
        replay = LeanReplay(found.journal)
        note = "" if found.goes_on else f"{_say_missing([found], busy, database)}: this is from its journal"
        return FoundRun(replay.record, note, replay.fill)
    if busy is not None:
        raise busy
    return FoundRun(load_run(database, run_id))


def say_missing(home: Path, database: Database) -> str:
    """What is to be said of runs that have ended and are not in a database, and why; empty where there are none."""
    busy, stored = _look_into(database)
    missing = [run for run in _missing(home, database.path, stored) if not run.goes_on]
    return _say_missing(missing, busy, database) if missing else ""


def _look_into(database: Database) -> tuple[DatabaseBusyError | None, dict[str, StoredRun]]:
    """What a database has of each run; or the error of a locked one."""
    query = """
        SELECT run_id, coalesce(epoch(started_at), 0.0), end_offset, finished_at IS NOT NULL
        FROM journals JOIN runs USING (run_id)
    """
    try:
        with database.read() as connection:
            rows = connection.execute(query).fetchall()
    except DatabaseBusyError as error:
        return error, {}
    except UsageError:
        if database.path.exists():
            raise
        return None, {}
    return None, {run_id: StoredRun(*told) for run_id, *told in rows}


def _missing(home: Path, database: Path, stored: dict[str, StoredRun]) -> Iterator[MissingRun]:
    """The runs in a state directory whose results are to be in this database, and are not all."""
    for journal in journals_in(home):
        run_id = journal.parent.name
        if (known := stored.get(run_id)) is not None and known.has_all_of(journal):
            continue
        first = next((entry.event for entry in read_journal(journal)), None)
        if isinstance(first, RunStarted) and first.options.get(DATABASE) == str(database):
            yield MissingRun(run_id, first.started_at, journal)


def _newest(missing: Iterable[MissingRun], stored: dict[str, StoredRun]) -> str | None:
    starts = {run_id: run.started_at for run_id, run in stored.items()}
    starts |= {run.run_id: run.started_at for run in missing}
    return max(starts, key=lambda run_id: (starts[run_id], run_id), default=None)


def _say_missing(missing: list[MissingRun], busy: DatabaseBusyError | None, database: Database) -> str:
    newest = max(missing, key=lambda run: run.started_at)
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    told = f"run {newest.run_id}{more} {'are' if more else 'is'} not in the database {str(database.path)!r} yet"
    holder = busy.holder if busy is not None else _find_holder(database)
    if holder is None:
        return f"{told}; `pulseq results sync` takes in what is missing"
    return f"{told}, since {holder} has it open; close it there, then `pulseq results sync`"


def _find_holder(database: Database) -> str | None:
    """Who keeps everybody from writing to a database, which may be somebody who only reads."""
    if not database.path.exists():
        return None
    try:
        with Database(database.path, patience_seconds=0.0).write():
            return None
    except DatabaseBusyError as error:
        return error.holder
    except PulseqError:  # it cannot be written here at all
        return None
