"""The views over many attempts, beside the same questions asked of the base tables by hand."""

from __future__ import annotations

from functools import partial

from pulseq.results.database import Connection, Database
from tests.benchmarks.bench import Bench, seconds_of
from tests.benchmarks.row import Measured, Row, Samples, at_most

RUNS, METRICS = "run-summary", "metric-summary"
_RUNS_IN_DATABASE = 20
ROWS = (
    Row(RUNS, "run_summary over 10,000,000 attempts", "SQL by hand on the base tables", "s", at_most(1.2)),
    Row(METRICS, "metric_summary over 10,000,000 attempts", "SQL by hand on the base tables", "s", at_most(1.2)),
)

_FILL = """
CREATE TEMP MACRO run_of(i) AS 'run' || (i % $runs);
CREATE TEMP MACRO test_of(i) AS 'module' || (i // $runs % 500) || '::test' || (i // $runs);
INSERT INTO runs (run_id, suite, started_at, wall_seconds)
SELECT run_of(i), 'benchmark', make_timestamptz(i::BIGINT), 1.0 FROM range($runs) AS r(i);
INSERT INTO tests (run_id, test_id, variant, name, body, priority)
SELECT run_of(i), test_of(i), '', 'test', 'pytest', 'medium' FROM range($count) AS r(i);
INSERT INTO verdicts (run_id, test_id, variant, status, flaky, attempts, node_id)
SELECT run_of(i), test_of(i), '', if(i % 97 = 0, 'failed', 'passed'), false, 1, 'node' || (i % 20)
FROM range($count) AS r(i);
INSERT INTO attempts (run_id, test_id, variant, attempt, node_id, status, duration, metrics)
SELECT run_of(i), test_of(i), '', 1, 'node' || (i % 20), if(i % 97 = 0, 'failed', 'passed'), random(),
    MAP {'duration': random(), 'response_time': random(), 'memory_usage': 20 + random(), 'cpu_usage': random()}
FROM range($count) AS r(i);
"""

_VIEWS = {
    RUNS: "SELECT * FROM run_summary ORDER BY run_id",
    METRICS: "SELECT * FROM metric_summary ORDER BY run_id, name",
}
_BY_HAND = {
    RUNS: """
        WITH v AS (
            SELECT run_id, count(*) AS total, sum((status = 'passed')::INT) AS passed,
                sum((status = 'failed')::INT) AS failed, sum((status = 'error')::INT) AS errors,
                sum((status = 'skipped')::INT) AS skipped, sum(flaky::INT) AS flaky,
                sum((status = 'error' AND reason IS NOT DISTINCT FROM 'cancelled')::INT) AS stopped
            FROM verdicts GROUP BY run_id
        ), a AS (
            SELECT run_id, fsum(duration) AS seconds, sum(len(pytest_warnings)) AS warnings,
                sum((status = 'passed' AND xpassed IS NOT NULL)::INT) AS xpassed, sum(rerun::INT) AS reruns
            FROM attempts GROUP BY run_id
        ), t AS (SELECT run_id, count(*) AS planned FROM tests GROUP BY run_id),
        c AS (
            SELECT run_id, sum(deselected) AS deselected, sum(len(warnings)) AS warnings
            FROM collections GROUP BY run_id
        ),
        s AS (SELECT run_id, sum(len(warnings)) AS warnings FROM sessions GROUP BY run_id)
        SELECT run_id, suite, total - stopped, passed, failed, errors - stopped, skipped, flaky,
            100.0::DOUBLE * passed / (total - stopped), wall_seconds, seconds, prefect_url, planned, started_at,
            finished_at, exit_code, exit_reason, coalesce(deselected, 0),
            coalesce(a.warnings, 0) + coalesce(c.warnings, 0) + coalesce(s.warnings, 0), coalesce(xpassed, 0),
            coalesce(reruns, 0), stopped, coalesce(nullif(options->>'$.projects[*]', []), [suite])
        FROM runs JOIN v USING (run_id) JOIN a USING (run_id) JOIN t USING (run_id)
            LEFT JOIN c USING (run_id) LEFT JOIN s USING (run_id)
        ORDER BY run_id
    """,
    METRICS: """
        SELECT run_id, name, count(*), min(value), max(value), avg(value), quantile_cont(value, 0.5),
            quantile_cont(value, 0.95), quantile_cont(value, 0.99)
        FROM (SELECT run_id, unnest(map_keys(metrics)) AS name, unnest(map_values(metrics)) AS value FROM attempts)
        GROUP BY run_id, name ORDER BY run_id, name
    """,
}


def measure(bench: Bench) -> Measured:
    """The rows that were asked for; both answers are the same, or an error."""
    count = bench.size(10_000_000, 1_000_000)
    database = Database(bench.directory("views") / "results.duckdb")
    fill(database, count)
    note = f"{count:,} attempts of {_RUNS_IN_DATABASE} runs, four metrics each"
    with database.read() as connection:
        return {row: compare(bench, connection, row, note) for row in (RUNS, METRICS) if bench.wants(row)}


def compare(bench: Bench, connection: Connection, row: str, note: str) -> Samples:
    """How long both take.

    Raises:
        RuntimeError: their answers are not the same.
    """
    # Once before the clock runs, which also brings the file into memory for both.
    ours, theirs = (_rounded(_ask(connection, query)) for query in (_VIEWS[row], _BY_HAND[row]))
    if ours != theirs:
        raise RuntimeError(f"{row}: the view says {ours[:1]}, by hand it is {theirs[:1]}")
    view, by_hand = bench.interleave(
        *(partial(seconds_of, partial(_ask, connection, query)) for query in (_VIEWS[row], _BY_HAND[row]))
    )
    return Samples({"view": view}, {"by hand": by_hand}, (note,))


def _rounded(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    # Sums and means depend in their last digits on the order in which threads deliver.
    return [tuple(round(value, 6) if isinstance(value, float) else value for value in row) for row in rows]


def _ask(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def fill(database: Database, count: int) -> None:
    """Put that many attempts there."""
    with database.write() as connection:
        connection.execute(_FILL.replace("$runs", str(_RUNS_IN_DATABASE)).replace("$count", str(count)))
