"""Results that are added one by one and asked about at any time: a DuckDB of this process, bounded in memory.

Rows are gathered and appended in batches; a row at a time would cost a thousand times as much.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from pulseq.results.database import Connection, append_rows, connect_memory

#: Rows that wait for the next batch, at most.
BATCH_ROWS = 1_000

_TABLES = """
CREATE TABLE results (
    seq BIGINT, test_id VARCHAR, node_id VARCHAR, status VARCHAR, duration DOUBLE, microseconds BIGINT,
    error VARCHAR, attempts INTEGER, reason VARCHAR, name VARCHAR, simulated BOOLEAN, flaky BOOLEAN, run_id VARCHAR
);
CREATE TABLE metrics (seq BIGINT, name VARCHAR, value DOUBLE);
CREATE TABLE warnings (seq BIGINT, warning VARCHAR);
"""
_SUMMARY = """
SELECT
    count(*), count(*) FILTER (status = 'passed'), count(*) FILTER (status = 'failed'),
    count(*) FILTER (status = 'error'), count(*) FILTER (status = 'skipped'),
    coalesce(100.0::DOUBLE * count(*) FILTER (status = 'passed') / nullif(count(*), 0), 0.0),
    coalesce(sum(duration), 0.0), coalesce(avg(duration), 0.0)
FROM results WHERE (status <> 'error' OR reason IS DISTINCT FROM 'cancelled')
"""
_METRICS = """
SELECT name, min(value), max(value), avg(value), count(*), quantile_cont(value, 0.5), quantile_cont(value, 0.95)
FROM metrics GROUP BY name ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class AddedResult:
    """A result as it is kept: when its test began in microseconds since 1970, in UTC."""

    test_id: str
    node_id: str
    status: str
    duration: float
    microseconds: int
    error: str | None
    attempts: int
    reason: str | None
    name: str
    simulated: bool
    flaky: bool
    run_id: str | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


_COLUMNS: Callable[[AddedResult], tuple[Any, ...]] = attrgetter(
    *("test_id", "node_id", "status", "duration", "microseconds", "error", "attempts", "reason", "name", "simulated"),
    *("flaky", "run_id"),
)


class AddedResults:
    """A growing number of results, and the answers to what is asked of them; any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._count = 0
        self._results: list[tuple[Any, ...]] = []
        self._metrics: list[tuple[Any, ...]] = []
        self._warnings: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return self._count

    def add(self, result: AddedResult) -> None:
        """Take one result in."""
        with self._lock:
            seq = self._count
            self._count += 1
            self._results.append((seq, *_COLUMNS(result)))
            self._metrics += [(seq, name, value) for name, value in result.metrics.items()]
            self._warnings += [(seq, warning) for warning in result.warnings]
            if len(self._results) >= BATCH_ROWS:
                self._flush()

    def all(self) -> list[AddedResult]:
        """Every result, in the order in which they came."""
        with self._lock:
            connection = self._flush()
            metrics: dict[int, dict[str, float]] = {}
            for seq, name, value in connection.execute("FROM metrics").fetchall():
                metrics.setdefault(seq, {})[name] = value
            warnings: dict[int, tuple[str, ...]] = {}
            for seq, warning in connection.execute("FROM warnings").fetchall():
                warnings[seq] = (*warnings.get(seq, ()), warning)
            rows = connection.execute("FROM results ORDER BY seq").fetchall()
        return [
            replace(AddedResult(*row), metrics=metrics.get(seq, {}), warnings=warnings.get(seq, ()))
            for seq, *row in rows
        ]

    def summary(self, node_id: str | None = None) -> dict[str, Any]:
        """All results in numbers, or those of one node; zeros where there are none."""
        with self._lock:
            where = "" if node_id is None else "AND node_id = ?"
            query = self._flush().execute(_SUMMARY + where, [] if node_id is None else [node_id])
            (row,) = query.fetchall()
        names = ("total_tests", "passed", "failed", "errors", "skipped", "pass_rate", "total_duration", "avg_duration")
        return dict(zip(names, row, strict=True))

    def metrics(self) -> dict[str, dict[str, float]]:
        """Every metric by its name: min, max, avg, count, p50, p95."""
        with self._lock:
            rows = self._flush().execute(_METRICS).fetchall()
        return {name: dict(zip(("min", "max", "avg", "count", "p50", "p95"), row, strict=True)) for name, *row in rows}

    def close(self) -> None:
        """Let go of all results."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._count = 0
            self._results, self._metrics, self._warnings = [], [], []

    def _flush(self) -> Connection:
        if self._connection is None:
            self._connection = connect_memory()
            self._connection.execute(_TABLES)
        batch = {"results": self._results, "metrics": self._metrics, "warnings": self._warnings}
        self._results, self._metrics, self._warnings = [], [], []
        for table, rows in batch.items():
            if rows:
                append_rows(self._connection, table, rows)
        return self._connection
