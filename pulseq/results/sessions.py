"""What pytest tells of whole entries, collected and ended, as rows. There are few: one by one will do."""

from __future__ import annotations

from pulseq.results.database import Connection
from pulseq.results.staging import RunEvents, clean, clean_or_none, json_text, warnings_text

_WARNINGS = '?::JSON::STRUCT(category VARCHAR, message VARCHAR, "location" VARCHAR, "when" VARCHAR)[]'
_COLLECTED = f"INSERT INTO collections VALUES (?, ?, ?, ?, ?, {_WARNINGS}, make_timestamptz(?))"
_FINISHED = f"INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, {_WARNINGS}, ?::JSON::VARCHAR[][], make_timestamptz(?), ?)"


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
        categories = json_text(session.categories) if session.categories else None
        connection.execute(_FINISHED, [*key, *words, *told, categories])
