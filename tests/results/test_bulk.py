"""That what DuckDB reads and what Python reads come to the same."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulseq.events import AttemptFinished, AttemptStarted, Event, RunFinished, TestClosed, TestExpanded, TestPlanned
from pulseq.models import AttemptResult, PytestWarning, Reason, Status
from pulseq.results.bulk import BulkBatch, UnreadableLinesError
from pulseq.results.codec import encode_line
from pulseq.results.database import Database
from pulseq.results.ingest import RUN_TABLES, ingest
from pulseq.results.slices import read_slice
from tests.results.conftest import MakeDatabase

pytestmark = pytest.mark.system

PASSED, FAILED = Status.PASSED, Status.FAILED
PLANNED = TestPlanned("a", "", "a", "call", "low")
STARTED = AttemptStarted("a", "", 1, "n", "task")
FINISHED = AttemptFinished(AttemptResult("a", 1, "n", PASSED, duration=1.0, metrics={"duration": 1.0}))
CLOSED = TestClosed("a", "", PASSED, None, False, 1, "n")


def write(directory: Path, *events: Event, more: bytes = b"") -> Path:
    path = directory / "runs" / "r" / "journal.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(encode_line(seq, 5.5, event) for seq, event in enumerate(events, 1)) + more)
    return path


def line_of(kind: str, **data: Any) -> bytes:
    """A line with a right checksum, whatever is in it."""
    head = json.dumps({"seq": 99, "time": 1.0, "kind": kind, "data": data}, separators=(",", ":"))[:-1].encode()
    return b'%s,"crc":"%08x"}\n' % (head, zlib.crc32(head))


def stage(journal: Path, database: Database, *, slow: bool = False) -> tuple[BulkBatch, dict[str, int]]:
    """A batch, and how many rows it put into each stage table that is not empty."""
    batch = BulkBatch(read_slice(journal, 0, 1 << 20), slow=slow)
    with database.write() as connection:
        batch.stage(connection)
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for (table,) in tables
            if table.startswith("stage")
        }
    return batch, {table: count for table, count in sorted(counts.items()) if count}


def rows_of(journal: Path, database: Database, monkeypatch: pytest.MonkeyPatch, *, slow: bool) -> dict[str, list[Any]]:
    """All rows of a journal, read by DuckDB where that can be or by Python alone."""
    with monkeypatch.context() as patch:
        if slow:
            patch.setattr("pulseq.results.ingest.BulkBatch", lambda part, slow: BulkBatch(part, slow=True))
        ingest(journal, database)
    with database.read() as connection:
        return {table: connection.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in RUN_TABLES}


def test_a_test_that_is_told_in_order_is_read_by_duckdb(database: Database, tmp_path: Path) -> None:
    batch, counts = stage(write(tmp_path, PLANNED, STARTED, FINISHED, CLOSED), database)
    assert counts == {"stage_attempts": 1, "stage_started": 1, "stage_tests": 1, "stage_verdicts": 1}
    assert (batch.entries, batch.told.entries, batch.damaged) == (4, 0, 0)


LOST = AttemptFinished(AttemptResult("a", 1, "n", Status.ERROR, reason=Reason.NODE_LOST))
STARTED_ELSEWHERE = AttemptStarted("a", "", 1, "m", "another task")
EXPANDED = TestExpanded("a", "", 2)


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ((PLANNED, TestPlanned("a", "", "b", "call", "low")), ["tests a"]),
        ((LOST, FINISHED, FINISHED), ["attempts error", "late_attempts passed"]),
        ((FINISHED, LOST), ["attempts error"]),
        ((FINISHED, STARTED), ["attempts passed", "running n"]),
        ((STARTED, STARTED_ELSEWHERE), ["running m"]),
        ((STARTED, FINISHED, FINISHED), ["attempts passed"]),
        ((CLOSED, STARTED), ["running n", "verdicts passed"]),
        ((STARTED, CLOSED), ["verdicts passed"]),
        ((CLOSED, TestClosed("a", "", FAILED, Reason.ASSERTION, False, 1)), ["verdicts failed"]),
        ((PLANNED, STARTED, FINISHED, CLOSED, STARTED, EXPANDED), []),
        ((EXPANDED, PLANNED), ["tests a"]),
        ((STARTED, RunFinished(1.0, 1.0, 2, "interrupted")), []),
    ],
)
def test_what_is_told_of_a_test_counts_in_its_order(
    make_database: MakeDatabase,
    tmp_path: Path,
    events: tuple[Event, ...],
    left: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = rows_of(write(tmp_path, *events), make_database(tmp_path / "x.duckdb"), monkeypatch, slow=False)
    column = {"tests": 3, "running": 4, "attempts": 5, "late_attempts": 5, "verdicts": 3}
    assert sorted(f"{table} {row[at]}" for table, at in column.items() for row in rows[table]) == left


def test_an_attempt_is_of_the_task_run_that_was_told_last_before_its_result(
    make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = write(tmp_path, STARTED, STARTED_ELSEWHERE, FINISHED, AttemptStarted("a", "", 1, "n", "a third"))
    rows = rows_of(journal, make_database(tmp_path / "x.duckdb"), monkeypatch, slow=False)
    assert [row[19] for row in rows["attempts"]] == ["another task"]


@pytest.mark.parametrize(
    "line",
    [
        line_of("test_closed", test_id="b", variant="", status="sung", reason=None, flaky=False, attempts=1),
        line_of("test_closed", test_id="b", variant="", status="error", reason="fate", flaky=False, attempts=1),
        line_of("attempt_started", variant="", attempt=1, node_id="n"),
        line_of("attempt_finished", result=7),
    ],
)
def test_a_line_that_this_version_does_not_understand_is_left_out_and_counted(
    database: Database, tmp_path: Path, line: bytes
) -> None:
    journal = write(tmp_path, PLANNED, CLOSED, more=line)
    with pytest.raises(UnreadableLinesError):
        stage(journal, database)
    report = ingest(journal, database)
    assert (report.entries, report.damaged_lines, report.end_offset) == (2, 1, journal.stat().st_size)


def test_python_can_look_at_all_of_it_first(database: Database, tmp_path: Path) -> None:
    batch, counts = stage(write(tmp_path, PLANNED, STARTED, FINISHED, CLOSED), database, slow=True)
    assert counts == {"stage_attempts": 1, "stage_started": 1, "stage_tests": 1, "stage_verdicts": 1}
    assert (batch.entries, batch.damaged) == (4, 0)


@pytest.mark.parametrize(
    "usual",
    [
        {"duration": 1.0, "size": 2.5},
        {"size": 1, "duration": -2},
        {"a": 1.0, "A": 2.0},
        {"": 1.0},
        {'"': 1.0, "\x00": 2.0},
        {"\ud800": 1.0},
        {},
    ],
)
def test_metrics_are_the_same_whether_they_are_those_of_the_first_result_or_others(
    tmp_path: Path, make_database: MakeDatabase, usual: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [usual, {"duration": 3.0}, {}, {"size": 1.0, "duration": 2.0}, {"Duration": 1.0, "size": 7}, usual]
    results = [AttemptResult(str(number), 1, "n", PASSED, metrics=metrics) for number, metrics in enumerate(told)]
    journal = write(tmp_path, *map(AttemptFinished, results))
    quick = rows_of(journal, make_database(tmp_path / "quick.duckdb"), monkeypatch, slow=False)
    assert quick == rows_of(journal, make_database(tmp_path / "slow.duckdb"), monkeypatch, slow=True)
    assert [len(metrics) for metrics in told] == [len(row[15]) for row in quick["attempts"]]


@pytest.mark.parametrize("value", ["many", [1.0], {"a": 1.0}])
def test_a_result_whose_metric_is_no_number_is_left_out_alone(
    database: Database, tmp_path: Path, value: object
) -> None:
    result = {"test_id": "b", "attempt": 1, "node_id": "n", "status": "passed", "metrics": {"duration": value}}
    journal = write(tmp_path, FINISHED, more=line_of("attempt_finished", result=result))
    with pytest.raises(UnreadableLinesError):
        stage(journal, database)
    report = ingest(journal, database)
    assert (report.entries, report.damaged_lines) == (1, 1)


texts = st.text(st.characters(), max_size=20)
seconds = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, 1.5, 1_795_356_038.852_422_2, 0.5e-6]
)
counts = st.integers(0, 2**31 - 1)
results = st.builds(
    AttemptResult,
    test_id=st.sampled_from("abc") | texts,
    attempt=st.integers(1, 2),
    node_id=texts,
    status=st.sampled_from(Status),
    variant=st.just("") | texts,
    reason=st.none() | st.sampled_from(Reason),
    started_at=seconds,
    duration=seconds,
    queue_seconds=seconds,
    error=st.none() | texts,
    output=texts,
    output_bytes=counts,
    exit_code=st.none() | counts,
    metrics=st.dictionaries(texts, seconds, max_size=3),
    simulated=st.booleans(),
    leaked_processes=counts,
    warnings=st.lists(texts, max_size=2).map(tuple),
    pytest_warnings=st.lists(st.builds(PytestWarning, texts, texts, texts, texts), max_size=2).map(tuple),
    xpassed=st.none() | texts,
    properties=st.lists(st.tuples(texts, texts, texts), max_size=2).map(tuple),
    subtests=st.dictionaries(st.sampled_from(["passed", "skipped"]), counts),
    rerun=st.booleans(),
)
requirements = st.dictionaries(texts, texts | seconds | st.booleans() | st.lists(texts).map(tuple), max_size=3)
names = st.sampled_from("abc") | texts
events = st.lists(
    st.one_of(
        st.builds(
            TestPlanned, names, st.just(""), texts, texts, texts, st.none() | texts, st.none() | seconds, requirements
        ),
        st.builds(AttemptStarted, names, st.just(""), st.integers(1, 2), texts, st.none() | texts),
        st.builds(AttemptFinished, results),
        st.builds(
            TestClosed,
            names,
            st.just(""),
            st.sampled_from(Status),
            st.none() | st.sampled_from(Reason),
            st.booleans(),
            counts,
        ),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=events)
def test_duckdb_and_python_read_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory,
    make_database: MakeDatabase,
    monkeypatch: pytest.MonkeyPatch,
    history: list[Event],
) -> None:
    home = tmp_path_factory.mktemp("home")
    journal = write(home, *history)
    quick = rows_of(journal, make_database(home / "quick.duckdb"), monkeypatch, slow=False)
    assert quick == rows_of(journal, make_database(home / "slow.duckdb"), monkeypatch, slow=True)
