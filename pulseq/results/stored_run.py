"""A run as the database has it, as the same record that a run in progress folds from its events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pulseq.errors import UsageError
from pulseq.events import (
    AttemptFinished,
    Event,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import RunRecord, fold
from pulseq.results.codec import values_frozen
from pulseq.results.database import Connection, Database
from pulseq.results.sessions import as_warnings, load_sessions

_ATTEMPT_FIELDS = (
    "test_id, attempt, node_id, status, variant, reason, started_at, duration, queue_seconds, error, output, "
    "output_bytes, exit_code, signal, metrics, simulated, leaked_processes, warnings, "
    "pytest_warnings, xpassed, properties, subtests, rerun"
)


def load_run(database: Database, run_id: str | None = None) -> RunRecord:
    """A stored run, the last one when none is named, with every attempt in full.

    Raises:
        UsageError: there is no such run, or no database.
    """
    with database.read() as connection:
        return fold(_events(connection, _find_run_id(connection, database, run_id)))


def _find_run_id(connection: Connection, database: Database, wanted: str | None) -> str:
    """The wanted run if it is there, the last one for None."""
    if wanted is None:
        query = "SELECT run_id FROM runs ORDER BY started_at DESC NULLS LAST, run_id DESC LIMIT 1"
        rows = connection.execute(query).fetchall()
    else:
        rows = connection.execute("SELECT run_id FROM runs WHERE run_id = ?", [wanted]).fetchall()
    if rows:
        return str(rows[0][0])
    if wanted is None:
        raise UsageError(f"the database {str(database.path)!r} has no run yet: `pulseq run` makes one")
    raise UsageError(
        f"the database {str(database.path)!r} has no run {wanted!r}: `pulseq results sync` takes in "
        'what is missing, `pulseq sql "select run_id from runs"` lists what is there'
    )


def _events(connection: Connection, run_id: str) -> Iterator[Event]:
    yield from _run_events(connection, run_id)
    for node_id, host, slots, capabilities in _rows(connection, "node_id, host, slots, capabilities", "nodes", run_id):
        yield NodeJoined(node_id, host, slots, values_frozen(json.loads(capabilities or "{}")))
    fields = "test_id, variant, name, body, priority, location, expected_seconds, requirements"
    for row in _rows(connection, fields, "tests", run_id):
        planned = dict(zip(fields.split(", "), row, strict=True))
        yield TestPlanned(**planned | {"requirements": values_frozen(json.loads(planned["requirements"] or "{}"))})
    for row in _rows(connection, _ATTEMPT_FIELDS, "attempts", run_id):
        yield AttemptFinished(_attempt(row))
    fields = "test_id, variant, status, reason, flaky, attempts, node_id, error"
    for test_id, variant, status, reason, *rest in _rows(connection, fields, "verdicts", run_id):
        yield TestClosed(test_id, variant, Status(status), Reason(reason) if reason else None, *rest)
    yield from load_sessions(connection, run_id)
    for node_id, why in _rows(connection, "node_id, why", "node_health", run_id, "event = 'lost'"):
        yield NodeLost(node_id, why or "")
    for (text,) in _rows(connection, "text", "run_notes", run_id):
        yield RunNote(text)


def _run_events(connection: Connection, run_id: str) -> Iterator[Event]:
    fields = (
        "suite, started_at, version, options, flow_run_id, prefect_url, "
        "finished_at, wall_seconds, exit_code, exit_reason"
    )
    for suite, started, version, options, flow, url, finished, wall, code, reason in _rows(
        connection, fields, "runs", run_id
    ):
        yield RunStarted(run_id, suite or "", _seconds(started), version or "", json.loads(options or "{}"))
        if flow:
            yield PrefectRunKnown(flow, url)
        if finished is not None:
            yield RunFinished(_seconds(finished), wall, code, reason)


def _rows(
    connection: Connection, fields: str, table: str, run_id: str, condition: str = "true"
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(
        f"SELECT {fields} FROM {table} WHERE run_id = ? AND {condition} ORDER BY rowid", [run_id]
    ).fetchall()
    return rows


def _attempt(row: tuple[Any, ...]) -> AttemptResult:
    fields = dict(zip(_ATTEMPT_FIELDS.split(", "), row, strict=True))
    fields |= {
        "status": Status(fields["status"]),
        "reason": Reason(fields["reason"]) if fields["reason"] else None,
        "started_at": _seconds(fields["started_at"]),
        "node_id": fields["node_id"] or "",
        "warnings": tuple(fields["warnings"] or ()),
        "metrics": dict(fields["metrics"] or {}),
        "pytest_warnings": as_warnings(fields["pytest_warnings"]),
        "properties": tuple(tuple(one) for one in fields["properties"] or ()),
        "subtests": dict(fields["subtests"] or {}),
        "rerun": bool(fields["rerun"]),
    }
    return AttemptResult(**fields)


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0
