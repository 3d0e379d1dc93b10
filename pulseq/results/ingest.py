"""From journals into the database: incremental, idempotent, in short transactions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.results.bulk import BulkBatch, UnreadableLinesError
from pulseq.results.database import (
    DATABASE_NAME,
    Connection,
    Database,
    DatabaseDamagedError,
    check_version,
    schema_script,
)
from pulseq.results.journal import JOURNAL_NAME
from pulseq.results.sessions import store_sessions
from pulseq.results.slices import Slice, read_slice
from pulseq.results.staging import Batch

#: Bytes of journal that are taken in at a time: what DuckDB reads, and what Python has to.
BATCH_BYTES = 32 << 20
SLOW_BYTES = 4 << 20
#: Seconds after which a transaction takes no more in: others wait for the file. To close it costs
#: as much as a tenth of a slice, since a group of rows that is not full yet is written again.
HOLD_SECONDS = 2.0

#: The tables that hold rows of runs.
RUN_TABLES = (
    "journals",
    "runs",
    "run_notes",
    "nodes",
    "node_health",
    "tests",
    "running",
    "attempts",
    "late_attempts",
    "verdicts",
    "collections",
    "sessions",
)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What was taken in of one journal.

    Attributes:
        entries: events taken in now.
        end_offset: bytes of the journal that are in the database.
        damaged_lines: lines skipped now.
        set_aside: where a damaged database file went; other runs come back with `sync`.
    """

    run_id: str
    entries: int = 0
    end_offset: int = 0
    damaged_lines: int = 0
    set_aside: Path | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What was taken in of all journals, one report each, and where a damaged database file went."""

    runs: tuple[IngestReport, ...]
    set_aside: Path | None = None

    @property
    def entries(self) -> int:
        """Events taken in."""
        return sum(run.entries for run in self.runs)

    @property
    def damaged_lines(self) -> int:
        """Lines skipped."""
        return sum(run.damaged_lines for run in self.runs)


def ingest(journal: Path, database: Database, *, known_offset: int | None = None) -> IngestReport:
    """Take what is new in a run's journal into the database; the run's id is its directory's name.

    Args:
        known_offset: bytes of the journal that were in the database after the last time, by its report. Where
            that still holds, the database need not be asked for it, which costs as much as to open it.

    May be called at any time, by several processes too, also while the run writes; what it writes meanwhile
    is for the next time, since to run after it line by line costs as much a line as else a thousand do. A journal that
    got shorter than what was taken in is taken in anew. A damaged database is set aside first.

    Raises:
        UsageError: there is no such journal, or the database cannot be written.
        SchemaVersionError: a newer PulseQ wrote the database.
        DatabaseBusyError: another process held the database for longer than its patience.
        InfrastructureError: the disk is full.
    """
    try:
        return _ingest(journal, database, known_offset)
    except DatabaseDamagedError:
        set_aside = database.set_aside()
    return replace(_ingest(journal, database), set_aside=set_aside)


def sync(home: Path, database: Database | None = None) -> SyncReport:
    """Take every journal of a state directory into the database (`home/results.duckdb` when none is given).

    Rebuilds a deleted or damaged database. Raises as `ingest` does.
    """
    database = database or Database(home / DATABASE_NAME)
    set_aside = _make_sound(database)
    reports = _ingest_all(home, database)
    if found := next((report.set_aside for report in reports if report.set_aside), None):
        set_aside, reports = found, _ingest_all(home, database)
    return SyncReport(tuple(reports), set_aside)


def _make_sound(database: Database) -> Path | None:
    """Have a readable database with its schema, and say where a damaged one went."""
    set_aside = None
    try:
        if database.path.exists():
            database.check()
    except DatabaseDamagedError:
        set_aside = database.set_aside()
    with database.write():
        return set_aside


def _ingest_all(home: Path, database: Database) -> list[IngestReport]:
    return [ingest(journal, database) for journal in sorted(home.glob(f"runs/*/{JOURNAL_NAME}"))]


def _ingest(journal: Path, database: Database, known_offset: int | None = None) -> IngestReport:
    run_id = journal.parent.name
    goal = _size_of(journal)
    if known_offset is None or known_offset >= goal:
        known_offset = _known_offset(journal, run_id, database)
    report = IngestReport(run_id, end_offset=known_offset)
    slow_until = 0
    while report.end_offset < goal:
        slow = report.end_offset < slow_until
        part = read_slice(journal, report.end_offset, SLOW_BYTES if slow else BATCH_BYTES)
        if part.end == part.start:
            break
        try:
            taken = _take_in(database, journal, report, part, goal, slow=slow)
        except UnreadableLinesError as error:
            slow_until = error.end
            continue
        # Where it is None, another process took the same lines in meanwhile.
        report = taken or replace(report, end_offset=_known_offset(journal, run_id, database))
    return report


def _known_offset(journal: Path, run_id: str, database: Database) -> int:
    """Bytes of the journal that are in the database; what was taken in of a longer journal goes."""
    size = _size_of(journal)
    if not database.path.exists():
        return 0
    with database.read() as connection:
        offset = _offset_in(connection, run_id) if check_version(connection, database.path) else 0
    if offset <= size:
        return offset
    with database.write() as connection:
        for table in RUN_TABLES:
            connection.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
    return 0


def _size_of(journal: Path) -> int:
    try:
        return journal.stat().st_size
    except OSError as error:
        raise UsageError(f"the journal {str(journal)!r} cannot be read: {error.strerror}") from error


def _offset_in(connection: Connection, run_id: str) -> int:
    rows = connection.execute("SELECT end_offset FROM journals WHERE run_id = ?", [run_id]).fetchall()
    return int(rows[0][0]) if rows else 0


def _take_in(
    database: Database, journal: Path, report: IngestReport, part: Slice, goal: int, *, slow: bool
) -> IngestReport | None:
    """Put a slice and what comes after it, up to byte `goal`, into the database, for as long as others may wait.

    Returns None, and changes nothing, when the start of the slice was not what was known.

    Raises:
        UnreadableLinesError: DuckDB cannot read all of it, and `slow` is false.
    """
    with database.write() as connection:
        if _offset_in(connection, report.run_id) != part.start:
            return None
        until = time.monotonic() + HOLD_SECONDS
        while part.end > part.start:
            batch = _merge(connection, report.run_id, part, slow=slow)
            report = _with(report, part, batch)
            if slow or part.end >= goal or time.monotonic() > until:
                break
            part = read_slice(journal, part.end, BATCH_BYTES)
    return report


def _with(report: IngestReport, part: Slice, batch: BulkBatch) -> IngestReport:
    return replace(
        report,
        entries=report.entries + batch.entries,
        end_offset=part.end,
        damaged_lines=report.damaged_lines + batch.damaged,
    )


def _merge(connection: Connection, run_id: str, part: Slice, *, slow: bool) -> BulkBatch:
    batch = BulkBatch(part, slow=slow)
    if batch.tells_of_the_run_alone:
        _merge_run(connection, run_id, batch)
    else:
        _merge_all(connection, run_id, batch)
    connection.execute(
        """INSERT INTO journals VALUES (?, ?, ?) ON CONFLICT DO UPDATE
        SET end_offset = excluded.end_offset, damaged_lines = journals.damaged_lines + excluded.damaged_lines""",
        [run_id, part.end, batch.damaged],
    )
    return batch


def _merge_run(connection: Connection, run_id: str, batch: BulkBatch) -> None:
    """As `_merge_all`, in a tenth of the time: so ends a run whose results have been taken in before."""
    batch.read()
    _describe_run(connection, run_id, batch.odd)
    if batch.odd.run_ended:
        connection.execute("DELETE FROM running WHERE run_id = ?", [run_id])


def _merge_all(connection: Connection, run_id: str, batch: BulkBatch) -> None:
    batch.stage(connection)
    _describe_run(connection, run_id, batch.odd)
    connection.execute("SET VARIABLE run_id = ?", [run_id])
    connection.execute("SET VARIABLE run_ended = ?", [batch.odd.run_ended])
    if "stage_expanded" in batch.tables:
        connection.execute(schema_script("merge_expanded.sql"))
    connection.execute(schema_script("merge.sql"))
    if not batch.tables.isdisjoint(("stage_nodes", "stage_node_health", "stage_run_notes")):
        connection.execute(schema_script("merge_nodes.sql"))


def _describe_run(connection: Connection, run_id: str, batch: Batch) -> None:
    """The row of the run, where the first start stays and everything else is as last told, and its entries."""
    connection.execute("INSERT INTO runs (run_id) VALUES (?) ON CONFLICT DO NOTHING", [run_id])
    for column, value in batch.run.items():
        shown = "make_timestamptz(?)" if column in _RUN_TIMES else "?"
        only_once = f" AND {column} IS NULL" if column in _RUN_ONCE else ""
        connection.execute(f"UPDATE runs SET {column} = {shown} WHERE run_id = ?{only_once}", [value, run_id])
    store_sessions(connection, run_id, batch)


_RUN_TIMES = frozenset({"started_at", "finished_at"})
_RUN_ONCE = frozenset({"suite", "version", "started_at", "options"})
