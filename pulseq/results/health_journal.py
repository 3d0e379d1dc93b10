"""Looks at nodes that no run took: a journal an hour, and from there into `node_health`.

As with runs the journal is the truth: a look is kept although the database is locked, and a damaged
database gets its rows back (`pulseq results sync`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.events import NodeHealth, NodeMarked
from pulseq.marks import NodeMark
from pulseq.results.database import Connection, Database, append_rows
from pulseq.results.journal import JournalWriter, read_journal
from pulseq.results.journal_mark import read_mark
from pulseq.results.row_stamps import note_place
from pulseq.results.schema_files import schema_script
from pulseq.results.staging import RunEvents, microseconds

DIRECTORY = "health"
#: So long a watcher waits for another one of the same state directory to let go of the journal.
PATIENCE_SECONDS = 5.0
#: What is taken over from the last looks is not older than two journals, an hour or two.
_READ_JOURNALS = 2


def record_health(
    home: Path, rows: Iterable[NodeHealth | NodeMarked], *, clock: Callable[[], float] = time.time
) -> Path:
    """Put the rows of one look on the disk, and the marks that are new; the journal that has them.

    Raises:
        UsageError: the state directory cannot be written, or another watcher does not let go of the journal.
        InfrastructureError: the disk is full.
    """
    path = home / DIRECTORY / f"{datetime.fromtimestamp(clock(), UTC):%Y%m%dT%H}.jsonl"
    with _open_patiently(path, clock) as journal:
        for row in rows:
            journal.append(row)
    return path


def _open_patiently(path: Path, clock: Callable[[], float]) -> JournalWriter:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return JournalWriter(path, clock=clock)
        except UsageError:
            if time.monotonic() > end or not path.exists():
                raise
        time.sleep(random.uniform(0.01, 0.05))


def read_known_health(home: Path, scheduler: str) -> list[tuple[float, NodeHealth]]:
    """What the last looks at the nodes of a scheduler saw, in their order, each with its Unix seconds."""
    return [
        (entry.time, entry.event)
        for path in health_journals(home)[-_READ_JOURNALS:]
        for entry in read_journal(path)
        if isinstance(entry.event, NodeHealth) and entry.event.scheduler == scheduler
    ]


def read_known_marks(home: Path) -> dict[str, NodeMark]:
    """The last mark of each node that these looks saw, by node."""
    entries = (entry for path in health_journals(home)[-_READ_JOURNALS:] for entry in read_journal(path))
    return {entry.event.mark.node_id: entry.event.mark for entry in entries if isinstance(entry.event, NodeMarked)}


def health_journals(home: Path) -> list[Path]:
    """All journals of looks, the oldest first."""
    return sorted((home / DIRECTORY).glob("*.jsonl"))


def ingest_health(home: Path, database: Database) -> int:
    """Take what is new in these journals into the database; how many rows that was.

    Raises as `pulseq.results.ingest.ingest` does, but for a damaged database, which is left to that.
    """
    journals = health_journals(home)
    if not journals:
        return 0
    with database.write() as connection:
        known = _known_places(connection)
        return sum(_ingest_one(connection, path, known.get(_key(path))) for path in journals)


def _key(journal: Path) -> str:
    return f"{DIRECTORY}/{journal.stem}"


def _known_places(connection: Connection) -> dict[str, tuple[str, int]]:
    """What each journal was known by when it was taken in, and how far it was."""
    query = "SELECT run_id, first_line, end_offset FROM journals WHERE starts_with(run_id, ?)"
    rows = connection.execute(query, [f"{DIRECTORY}/"]).fetchall()
    return {key: (first_line, end_offset) for key, first_line, end_offset in rows}


def _ingest_one(connection: Connection, journal: Path, known: tuple[str, int] | None) -> int:
    mark, size = read_mark(journal), journal.stat().st_size
    if mark is None:
        return 0
    # Another journal may stand under the name of one that was removed; one that got shorter is read again.
    first_line, start = known or ("", 0)
    if first_line != mark.first_line or start > size:
        start = 0
    if start == size:
        return 0
    reader = read_journal(journal, offset=start)
    told = RunEvents()
    for entry in reader:
        told.add(entry)
    connection.execute(schema_script("stage.sql"))
    for table, rows in told.rows.items():
        append_rows(connection, table, rows)
    ((added,),) = connection.execute(schema_script("merge_health.sql")).fetchall()
    note_place(connection, _key(journal), mark, reader.offset, reader.damaged)
    return int(added)


def drop_health(home: Path, database: Database, before: float) -> int:
    """Remove the looks of journals that were last written before `before` (Unix seconds); how many journals.

    Raises as `ingest_health` does.
    """
    ingest_health(home, database)
    old = [path for path in health_journals(home) if path.stat().st_mtime < before]
    if old:
        with database.write() as connection:
            for path in old:
                connection.execute("DELETE FROM journals WHERE run_id = ?", [_key(path)])
            for table, told_at in (("node_health", "seen_at"), ("node_marks", "heard_at")):
                older = f"DELETE FROM {table} WHERE run_id IS NULL AND {told_at} < make_timestamptz(?)"
                connection.execute(older, [microseconds(before)])
        for path in old:
            path.unlink(missing_ok=True)
    return len(old)
