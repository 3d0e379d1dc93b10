"""Inserts made-up results as Arrow tables into the same three tables, without a journal; prints its times.

Runs in an environment of its own that has duckdb and pyarrow, and nothing of ours but `made_up.py` beside it.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice

import duckdb
import pyarrow  # type: ignore[import-not-found]
from made_up import MadeUp, make_results  # type: ignore[import-not-found]

_CHUNK = 100_000
_TABLES = """
CREATE TABLE tests (run_id VARCHAR, test_id VARCHAR, variant VARCHAR, name VARCHAR, body VARCHAR, priority VARCHAR);
CREATE TABLE attempts (
    run_id VARCHAR, test_id VARCHAR, variant VARCHAR, attempt INTEGER, node_id VARCHAR, status VARCHAR, reason VARCHAR,
    started_at TIMESTAMPTZ, duration DOUBLE, error VARCHAR, metrics MAP(VARCHAR, DOUBLE), task_run_id VARCHAR
);
CREATE TABLE verdicts (
    run_id VARCHAR, test_id VARCHAR, variant VARCHAR, status VARCHAR, reason VARCHAR, flaky BOOLEAN, attempts INTEGER,
    node_id VARCHAR, error VARCHAR
);
"""


def columns_of(chunk: list[MadeUp]) -> dict[str, object]:
    """One Arrow array a column, of all that the tables need."""
    constant = {"run_id": "made-up", "variant": "", "body": "pytest", "priority": "medium"}
    columns: dict[str, object] = {name: pyarrow.array([value] * len(chunk)) for name, value in constant.items()}
    for name in ("test_id", "name", "node_id", "status", "reason", "error", "started_at", "duration", "task_run"):
        columns[name] = pyarrow.array([getattr(told, name) for told in chunk])
    kind = pyarrow.map_(pyarrow.string(), pyarrow.float64())
    columns["metrics"] = pyarrow.array([list(told.metrics.items()) for told in chunk], type=kind)
    return columns


def insert(connection: duckdb.DuckDBPyConnection, table: object) -> None:
    """Put a chunk into the three tables."""
    connection.register("chunk", table)
    connection.execute("INSERT INTO tests SELECT run_id, test_id, variant, name, body, priority FROM chunk")
    connection.execute(
        "INSERT INTO attempts SELECT run_id, test_id, variant, 1, node_id, status, reason, to_timestamp(started_at),"
        " duration, error, metrics, task_run FROM chunk"
    )
    connection.execute(
        "INSERT INTO verdicts SELECT run_id, test_id, variant, status, reason, false, 1, node_id, error FROM chunk"
    )
    connection.unregister("chunk")


def measure(count: int, path: str) -> dict[str, float]:
    """Seconds from Python values to committed rows, of these for the insert alone."""
    inserting, began = 0.0, time.perf_counter()
    with duckdb.connect(path) as connection:
        connection.execute(_TABLES)
        results = make_results(count)
        while chunk := list(islice(results, _CHUNK)):
            table = pyarrow.table(columns_of(chunk))
            mark = time.perf_counter()
            insert(connection, table)
            inserting += time.perf_counter() - mark
    return {"seconds": time.perf_counter() - began, "insert_seconds": inserting}


if __name__ == "__main__":
    configuration = json.loads(sys.argv[1])
    print(json.dumps(measure(configuration["count"], configuration["path"])))
