"""A run as the database has it, as the same record that a run in progress folds from its events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from pulseq.artifacts import Artifact
from pulseq.errors import UsageError
from pulseq.events import (
    ArtifactsKept,
    AttemptFinished,
    EntryCollected,
    Event,
    NodeHealth,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult
from pulseq.records import RunRecord, fold
from pulseq.results.database import Connection, Database

#: Columns of JSON, which DuckDB gives as text.
_JSON = frozenset({"options", "capabilities", "requirements", "labels", "categories"})
#: In the order of a run: the events, the rows that tell them, and what stands for NULL where an event needs a value.
_TOLD: tuple[tuple[Any, str, Mapping[str, Any]], ...] = (
    (NodeJoined, "nodes", {}),
    (NodeHealth, "(SELECT *, status AS liveness, rowid FROM node_health WHERE event = 'poll')", {}),
    (TestPlanned, "tests", {}),
    (AttemptResult, "attempts", {"node_id": ""}),
    (TestClosed, "verdicts", {"reason": None}),
    (EntryCollected, "collections", {}),
    (SessionFinished, "sessions", {}),
    (NodeLost, "(SELECT *, rowid FROM node_health WHERE event = 'lost')", {"why": ""}),
    (RunNote, "run_notes", {}),
)
_OF_ATTEMPT = ("test_id", "variant", "attempt", "node_id")


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
    for row in _rows(connection, "runs", run_id):
        yield msgspec.convert({"suite": "", "started_at": 0.0, "version": "", **row}, RunStarted)
        if "flow_run_id" in row:
            yield PrefectRunKnown(row["flow_run_id"], row.get("prefect_url"))
        if "finished_at" in row:
            yield RunFinished(row["finished_at"], row["wall_seconds"], row["exit_code"], row["exit_reason"])
    for kind, table, instead in _TOLD:
        for row in _rows(connection, table, run_id):
            told = msgspec.convert({**instead, **row}, kind)
            yield AttemptFinished(told) if isinstance(told, AttemptResult) else told
    yield from _artifacts(connection, run_id)


def _artifacts(connection: Connection, run_id: str) -> Iterator[ArtifactsKept]:
    rows = _rows(connection, "artifacts", run_id)
    for (test_id, variant, attempt, node_id), those in groupby(rows, itemgetter(*_OF_ATTEMPT)):
        files = tuple(msgspec.convert(row, Artifact) for row in those)
        yield ArtifactsKept(test_id, variant, attempt, node_id, files)


def _rows(connection: Connection, table: str, run_id: str) -> Iterator[dict[str, Any]]:
    """The rows that a table has of a run, in their order, as fields of events; those that are NULL are left out."""
    answer = connection.execute(f"SELECT * FROM {table} WHERE run_id = ? ORDER BY rowid", [run_id])
    names = [name for name, *_ in answer.description or ()]
    for row in answer.fetchall():
        yield {name: _plain(name, value) for name, value in zip(names, row, strict=True) if value is not None}


def _plain(name: str, value: Any) -> Any:
    if name in _JSON:
        return json.loads(value)
    return value.timestamp() if isinstance(value, datetime) else value
