"""From journals into the database: incremental, idempotent, in short transactions."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pulseq.results.bulk import BulkBatch, UnreadableLinesError
from pulseq.results.database import Connection, Database, DatabaseDamagedError
from pulseq.results.journal_mark import JournalMark, read_mark
from pulseq.results.regular_file import reading
from pulseq.results.row_stamps import TABLES, note_place, stamp_rows
from pulseq.results.schema_files import schema_script
from pulseq.results.sessions import store_sessions
from pulseq.results.slices import read_slice
from pulseq.results.staging import RunEvents

#: Bytes of journal that are taken in at a time: what DuckDB reads, and what Python has to.
BATCH_BYTES = 32 << 20
SLOW_BYTES = 4 << 20
#: Seconds after which a transaction takes no more in: others wait for the file. To close it costs
#: as much as a tenth of a slice, since a group of rows that is not full yet is written again.
HOLD_SECONDS = 2.0

#: The tables that hold rows of runs.
RUN_TABLES = ("journals", *TABLES)


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


@dataclass(slots=True)
class JournalWork:
    """A journal on its way into the database.

    Attributes:
        goal: the byte up to which it is taken in; what a run writes meanwhile is for the next time.
        report: what was taken in by the transactions that are done.
        anew: its rows are not believed: they go, and it is taken in from its start.
        settled: nothing writes it any more, so that its rows are what they are to be when it has been taken in.
    """

    journal: Path
    mark: JournalMark
    goal: int
    report: IngestReport
    anew: bool = False
    settled: bool = False
    slow_until: int = 0


def ingest(journal: Path, database: Database) -> IngestReport:
    """Take what is new in a run's journal into the database; its first line says which run it is of.

    May be called at any time, by several processes too, also while the run writes; what it writes meanwhile
    is for the next time, since to run after it line by line costs as much a line as else a thousand do. A journal that
    is another one than what was taken in, or shorter, is taken in anew. A damaged database is set aside first.

    Raises:
        UsageError: there is no such journal, or the database cannot be written.
        SchemaVersionError: a newer PulseQ wrote the database.
        DatabaseBusyError: another process held the database for longer than its patience.
        InfrastructureError: the disk is full.
    """
    work = work_on(journal)
    if work is None:
        return IngestReport(journal.parent.name)
    try:
        take_in([work], database)
    except DatabaseDamagedError:
        set_aside = database.set_aside()
        work.report = IngestReport(work.mark.run_id)
        take_in([work], database)
        work.report = replace(work.report, set_aside=set_aside)
    return work.report


def work_on(journal: Path) -> JournalWork | None:
    """What is to be taken in of a journal; None where it has no whole line yet.

    Raises:
        UsageError: there is no such journal, or it is no file.
    """
    mark = read_mark(journal)
    return None if mark is None else JournalWork(journal, mark, _size_of(journal), IngestReport(mark.run_id))


def take_in(works: Sequence[JournalWork], database: Database) -> None:
    """Take in journals, as many of them in a transaction as others may wait for. Raises as `ingest` does."""
    waiting = deque(works)
    while waiting:
        try:
            done = _take_some(waiting, database)
        except UnreadableLinesError:
            continue  # that transaction is void; the journal it was has taken note
        for _ in range(done):
            waiting.popleft()


def _take_some(works: Sequence[JournalWork], database: Database) -> int:
    """Take in the first of these in one transaction; how many are done."""
    reports: list[tuple[IngestReport, bool]] = []
    with database.write() as connection:
        until = time.monotonic() + HOLD_SECONDS
        for work in works:
            reports.append(_take_one(connection, work, until))
            if time.monotonic() > until:
                break
    for work, (report, _) in zip(works, reports, strict=False):
        work.report, work.anew = report, False
    return sum(done for _, done in reports)


def _take_one(connection: Connection, work: JournalWork, until: float) -> tuple[IngestReport, bool]:
    """Take in a journal, or a part of it at least, for as long as others may wait; and whether that was all.

    Raises:
        UnreadableLinesError: DuckDB cannot read all of it; the next time Python does.
    """
    report = replace(work.report, end_offset=_begin(connection, work))
    ended = work.settled
    while report.end_offset < work.goal:
        slow = report.end_offset < work.slow_until
        part = read_slice(work.journal, report.end_offset, SLOW_BYTES if slow else BATCH_BYTES)
        if part.end == part.start:
            break
        try:
            batch = BulkBatch(part, slow=slow)
            _merge(connection, work.mark, batch, part.end)
        except UnreadableLinesError as error:
            work.slow_until = error.end
            raise
        ended = work.settled or batch.told.run_ended
        report = replace(
            report,
            entries=report.entries + batch.entries,
            end_offset=part.end,
            damaged_lines=report.damaged_lines + batch.damaged,
        )
        if time.monotonic() > until and part.end < work.goal:
            return report, False
    if ended:
        stamp_rows(connection, work.mark.run_id)
    return report, True


def _begin(connection: Connection, work: JournalWork) -> int:
    """Bytes of the journal that are in the database; what was taken in of another journal of its run goes."""
    run_id = work.mark.run_id
    query = "SELECT end_offset, first_line FROM journals WHERE run_id = ?"
    for offset, first_line in connection.execute(query, [run_id]).fetchall():
        if first_line == work.mark.first_line and offset <= _size_of(work.journal) and not work.anew:
            return int(offset)
    for table in RUN_TABLES:
        connection.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
    return 0


def _size_of(journal: Path) -> int:
    with reading(journal):
        return journal.stat().st_size


def _merge(connection: Connection, mark: JournalMark, batch: BulkBatch, end: int) -> None:
    if batch.tells_of_the_run_alone:
        _merge_run(connection, mark.run_id, batch)
    else:
        _merge_all(connection, mark.run_id, batch)
    note_place(connection, mark.run_id, mark, end, batch.damaged)


def _merge_run(connection: Connection, run_id: str, batch: BulkBatch) -> None:
    """As `_merge_all`, in a tenth of the time: so ends a run whose results have been taken in before."""
    _describe_run(connection, run_id, batch.told)
    if batch.told.run_ended:
        connection.execute("DELETE FROM running WHERE run_id = ?", [run_id])


def _merge_all(connection: Connection, run_id: str, batch: BulkBatch) -> None:
    batch.stage(connection)
    _describe_run(connection, run_id, batch.told)
    connection.execute("SET VARIABLE run_id = ?", [run_id])
    connection.execute("SET VARIABLE run_ended = ?", [batch.told.run_ended])
    if "stage_expanded" in batch.told.rows:
        connection.execute(schema_script("merge_expanded.sql"))
    connection.execute(schema_script("merge.sql"))
    if batch.told.rows:
        connection.execute(schema_script("merge_nodes.sql"))
    if "stage_artifacts" in batch.told.rows or connection.execute(_MISSING, [run_id]).fetchall():
        connection.execute(schema_script("merge_artifacts.sql"))


def _describe_run(connection: Connection, run_id: str, told: RunEvents) -> None:
    """The row of the run, where the first start stays and everything else is as last told, and its entries."""
    connection.execute("INSERT INTO runs (run_id) VALUES (?) ON CONFLICT DO NOTHING", [run_id])
    for column, value in told.run.items():
        shown = "make_timestamptz(?)" if column in _RUN_TIMES else "?"
        only_once = f" AND {column} IS NULL" if column in _RUN_ONCE else ""
        connection.execute(f"UPDATE runs SET {column} = {shown} WHERE run_id = ?{only_once}", [value, run_id])
    store_sessions(connection, run_id, told)


#: An artifact that did not come home: what a later line says of its attempt shall not lose that.
_MISSING = "FROM artifacts WHERE run_id = ? AND trouble IS NOT NULL LIMIT 1"
_RUN_TIMES = frozenset({"started_at", "finished_at"})
_RUN_ONCE = frozenset({"suite", "version", "started_at", "options"})
