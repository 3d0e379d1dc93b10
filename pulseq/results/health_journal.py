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
from pulseq.events import NodeHealth
from pulseq.results.database import Connection, Database, append_rows
from pulseq.results.journal import JournalReader, JournalWriter, read_journal
from pulseq.results.staging import Row, health_row, microseconds

DIRECTORY = "health"
#: So long a watcher waits for another one of the same state directory to let go of the journal.
PATIENCE_SECONDS = 5.0
#: What is taken over from the last looks is not older than two journals, an hour or two.
_RECALLED_JOURNALS = 2


def record_health(home: Path, rows: Iterable[NodeHealth], *, clock: Callable[[], float] = time.time) -> Path:
    """Put the rows of one look on the disk; the journal that has them.

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


def recall_health(home: Path, scheduler: str) -> list[tuple[float, NodeHealth]]:
    """What the last looks at the nodes of a scheduler saw, in their order, each with its Unix seconds."""
    return [
        (entry.time, entry.event)
        for path in health_journals(home)[-_RECALLED_JOURNALS:]
        for entry in read_journal(path)
        if isinstance(entry.event, NodeHealth) and entry.event.scheduler == scheduler
    ]


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
        offsets = _known_offsets(connection)
        return sum(_ingest_one(connection, path, offsets.get(_key(path), 0)) for path in journals)


def _key(journal: Path) -> str:
    return f"{DIRECTORY}/{journal.stem}"


def _known_offsets(connection: Connection) -> dict[str, int]:
    query = f"SELECT run_id, end_offset FROM journals WHERE starts_with(run_id, '{DIRECTORY}/')"
    return dict(connection.execute(query).fetchall())


def _ingest_one(connection: Connection, journal: Path, start: int) -> int:
    if journal.stat().st_size <= start:
        return 0
    reader = read_journal(journal, offset=start)
    rows = [_row(entry.seq, entry.event, entry.time) for entry in reader if isinstance(entry.event, NodeHealth)]
    append_rows(connection, "node_health", rows)
    _note_offset(connection, journal, reader)
    return len(rows)


def _row(seq: int, health: NodeHealth, at: float) -> Row:
    number, node_id, _, *rest = health_row(seq, "poll", health, None)
    return (None, number, node_id, datetime.fromtimestamp(at, UTC), *rest)


def _note_offset(connection: Connection, journal: Path, reader: JournalReader) -> None:
    connection.execute(
        """INSERT INTO journals VALUES (?, ?, ?) ON CONFLICT DO UPDATE
        SET end_offset = excluded.end_offset, damaged_lines = journals.damaged_lines + excluded.damaged_lines""",
        [_key(journal), reader.offset, len(reader.damage)],
    )


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
            connection.execute(
                "DELETE FROM node_health WHERE run_id IS NULL AND seen_at < make_timestamptz(?)", [microseconds(before)]
            )
        for path in old:
            path.unlink(missing_ok=True)
    return len(old)
