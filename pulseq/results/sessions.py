"""What pytest tells of whole entries, collected and ended, as rows and back. There are few: one by one will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pulseq.events import EntryCollected, SessionFinished
from pulseq.models import PytestWarning
from pulseq.results.database import Connection
from pulseq.results.staging import RunEvents, clean, clean_or_none, json_text, warnings_text

_WARNINGS = '?::JSON::STRUCT(category VARCHAR, message VARCHAR, "location" VARCHAR, "when" VARCHAR)[]'
_COLLECTED = f"INSERT INTO collections VALUES (?, ?, ?, ?, ?, {_WARNINGS}, make_timestamptz(?))"
_FINISHED = f"INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, {_WARNINGS}, ?::JSON::VARCHAR[][], make_timestamptz(?))"


def store_sessions(connection: Connection, run_id: str, events: RunEvents) -> None:
    """Put what a batch tells of entries into the tables, where it replaces what an earlier one told."""
    for collected, at in events.collected.values():
        entry = clean(collected.entry)
        connection.execute("DELETE FROM collections WHERE run_id = ? AND entry = ?", [run_id, entry])
        told = [collected.items, collected.deselected, warnings_text(collected.warnings), at]
        connection.execute(_COLLECTED, [run_id, entry, clean(collected.node_id), *told])
    for session, at in events.sessions.values():
        key = [run_id, clean(session.entry), clean(session.node_id)]
        connection.execute("DELETE FROM sessions WHERE run_id = ? AND entry = ? AND node_id = ?", key)
        words = [session.exit_status, clean_or_none(session.error), clean(session.summary)]
        told = [warnings_text(session.warnings), json_text(session.properties), at]
        connection.execute(_FINISHED, [*key, *words, *told])


def load_sessions(connection: Connection, run_id: str) -> Iterator[EntryCollected | SessionFinished]:
    """The events that a stored run has of its entries."""
    for entry, node_id, items, deselected, warnings in connection.execute(
        "SELECT entry, node_id, items, deselected, warnings FROM collections WHERE run_id = ? ORDER BY rowid", [run_id]
    ).fetchall():
        yield EntryCollected(entry, node_id, items, deselected, as_warnings(warnings))
    for entry, node_id, status, error, summary, warnings, properties in connection.execute(
        "SELECT entry, node_id, exit_status, error, summary, warnings, properties FROM sessions "
        "WHERE run_id = ? ORDER BY rowid",
        [run_id],
    ).fetchall():
        recorded = tuple((name, value) for name, value in properties)
        yield SessionFinished(entry, node_id, status, error, summary, as_warnings(warnings), recorded)


def as_warnings(rows: list[dict[str, Any]] | None) -> tuple[PytestWarning, ...]:
    """Warnings from a column of the database."""
    return tuple(PytestWarning(**row) for row in rows or ())
