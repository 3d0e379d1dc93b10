"""The common questions about stored results, as typed functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pulseq.errors import UsageError
from pulseq.models import Reason, Status
from pulseq.results.database import Connection, Database


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in numbers; `pass_rate` in percent, `wall_seconds` None while it goes on."""

    run_id: str
    suite: str | None
    total_tests: int
    passed: int
    failed: int
    errors: int
    skipped: int
    flaky: int
    pass_rate: float
    wall_seconds: float | None
    test_seconds: float
    prefect_url: str | None
    planned: int
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    exit_reason: str | None
    deselected: int = 0
    warnings: int = 0
    xpassed: int = 0
    reruns: int = 0
    not_run: int = 0
    projects: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NodeShare:
    """What a node did in a run; `busy_seconds` added up over its slots."""

    run_id: str
    node_id: str
    total_tests: int
    passed: int
    failed: int
    errors: int
    skipped: int
    pass_rate: float
    busy_seconds: float
    attempts: int
    not_run: int = 0


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A verdict with its deciding attempt; `duration` is None when the test never started."""

    test_id: str
    variant: str
    name: str
    node_id: str | None
    status: Status
    reason: Reason | None
    flaky: bool
    attempts: int
    duration: float | None
    error: str | None


_RESULT_COLUMNS = "test_id, variant, name, node_id, status, reason, flaky, attempts, duration, error"


def latest_run_id(database: Database) -> str:
    """The run that started last.

    Raises:
        UsageError: there is no run yet.
    """
    with database.read() as connection:
        return find_run_id(connection, database, None)


def run_summary(database: Database, run_id: str | None = None) -> RunSummary:
    """A run in numbers, the last one when none is named.

    Raises:
        UsageError: there is no such run.
    """
    with database.read() as connection:
        known = find_run_id(connection, database, run_id)
        (row,) = connection.execute("FROM run_summary WHERE run_id = ?", [known]).fetchall()
        return RunSummary(*row)


def node_shares(database: Database, run_id: str | None = None) -> tuple[NodeShare, ...]:
    """What each node did in a run (the last one when none is named), ordered by node id.

    Raises:
        UsageError: there is no such run.
    """
    with database.read() as connection:
        known = find_run_id(connection, database, run_id)
        rows = connection.execute("FROM node_summary WHERE run_id = ? ORDER BY node_id", [known]).fetchall()
        return tuple(NodeShare(*row) for row in rows)


def slowest(database: Database, run_id: str | None = None, *, limit: int = 10) -> tuple[StoredResult, ...]:
    """The tests of a run (the last one when none is named) whose deciding attempts took longest.

    Raises:
        UsageError: there is no such run.
    """
    return _results(database, run_id, "duration IS NOT NULL ORDER BY duration DESC, test_id, variant LIMIT ?", [limit])


def failures(database: Database, run_id: str | None = None) -> tuple[StoredResult, ...]:
    """The tests of a run (the last one when none is named) that failed or had an error, failed ones first.

    Raises:
        UsageError: there is no such run.
    """
    bad = "status IN ('failed', 'error') AND reason IS DISTINCT FROM 'cancelled'"
    return _results(database, run_id, f"{bad} ORDER BY status = 'error', test_id, variant", [])


def _results(database: Database, run_id: str | None, condition: str, parameters: list[Any]) -> tuple[StoredResult, ...]:
    with database.read() as connection:
        known = find_run_id(connection, database, run_id)
        query = f"SELECT {_RESULT_COLUMNS} FROM results WHERE run_id = ? AND {condition}"
        return tuple(_stored(row) for row in connection.execute(query, [known, *parameters]).fetchall())


def _stored(row: tuple[Any, ...]) -> StoredResult:
    fields = dict(zip(_RESULT_COLUMNS.split(", "), row, strict=True))
    reason = fields["reason"]
    return StoredResult(**fields | {"status": Status(fields["status"]), "reason": reason and Reason(reason)})


def find_run_id(connection: Connection, database: Database, wanted: str | None) -> str:
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
