import os
import select
import shutil
import signal
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import pytest

from pulseq.errors import PulseqError, SchemaVersionError, UsageError
from pulseq.models import Status
from pulseq.results import sandbox
from pulseq.results.database import Database, DatabaseBusyError, DatabaseDamagedError
from pulseq.results.ingest import ingest
from pulseq.results.sandbox import run_sql
from pulseq.results.table import Table
from tests.results.conftest import MakeDatabase, Story

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, make_database: MakeDatabase) -> Path:
    """A database that nobody changes."""
    home = tmp_path_factory.mktemp("home")
    story = Story(home)
    database = make_database(home / "results.duckdb")
    ingest(story.run("r1", story.test("a", Status.PASSED), story.test("b", Status.FAILED)), database)
    return database.path


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    return shutil.copyfile(written, tmp_path / "results.duckdb")


def ask(path: Path, query: str, **more: object) -> Table:
    return run_sql(path, query, timeout_seconds=60, **more)  # type: ignore[arg-type]


def test_a_query_that_begins_with_from_is_answered(path: Path) -> None:
    table = ask(path, "from results order by test_id")
    assert table.columns[:4] == ("run_id", "suite", "test_id", "variant")
    assert [row[2] for row in table.rows] == ["a", "b"]


def test_an_answer_has_columns_types_and_rows(path: Path) -> None:
    expected = Table(("test_id", "attempts"), ("VARCHAR", "INTEGER"), (("a", 1), ("b", 1)))
    assert ask(path, "select test_id, attempts from results order by 1") == expected


def test_an_answer_without_rows_still_has_columns(path: Path) -> None:
    assert ask(path, "select test_id from results where false") == Table(("test_id",), ("VARCHAR",), ())


def test_rows_past_the_wanted_number_are_cut_and_told(path: Path) -> None:
    table = ask(path, "select i from range(2000) t(i)", max_rows=501)
    assert ([row[0] for row in table.rows], table.truncated) == (list(range(501)), True)
    assert not ask(path, "select i from range(501) t(i)", max_rows=501).truncated


VALUES: list[tuple[str, object]] = [
    ("1.50", Decimal("1.50")),
    ("170141183460469231731687303715884105727", 170141183460469231731687303715884105727),
    ("'inf'::double", float("inf")),
    ("map {'a': 1.5::double}", {"a": 1.5}),
    ("map {[1]: 2}", {"key": [[1]], "value": [2]}),
    ("{'a': [1, null]}", {"a": [1, None]}),
    ("'\\x00\\xFF'::blob", b"\x00\xff"),
    ("timestamptz '2026-01-01 01:00:00+02'", "2025-12-31T23:00:00+00:00"),
    ("date '2026-01-01'", "2026-01-01"),
    ("date 'infinity'", "infinity"),
    ("timestamp '-infinity'", "-infinity"),
    ("timestamptz 'infinity'", "infinity"),
    ("timestamp '2026-01-01 00:00:00.5'", "2026-01-01T00:00:00.500000"),
    ("timestamp '0044-03-15 (BC) 10:00:00'", "0044-03-15 (BC) 10:00:00"),
    ("timestamp '12026-01-01'", "12026-01-01T00:00:00"),
    ("timestamp_ns '2026-01-01 00:00:00.123456789'", "2026-01-01T00:00:00.123456789"),
    ("time_ns '01:02:03.123456789'", "01:02:03.123456789"),
    ("time '24:00:00'", "24:00:00"),
    ("timetz '01:02:03+01'", "01:02:03+01:00"),
    ("interval '1 month'", "1 month"),
    ("interval '-1 year -2 days 3 hours'", "-1 year -2 days 03:00:00"),
    ("[interval '1 month', null]", ["1 month", None]),
    ("array_value(date 'infinity', date '2026-01-01')", ["infinity", "2026-01-01"]),
    ("{'a': {'b\"c': interval '1 month'}, 'n': 1}", {"a": {'b"c': "1 month"}, "n": 1}),
    ("map {'a': timestamp 'infinity'}", {"a": "infinity"}),
    ("map {date 'infinity': 1}", {"infinity": 1}),
    ("map {[date 'infinity']: interval '1 month'}", {"key": [["infinity"]], "value": ["1 month"]}),
    ("row(interval '1 month')", "(1 month,)"),
    ("true", True),
    ("null", None),
    ("chr(0) || chr(27)", "\x00\x1b"),
]


@pytest.fixture(scope="module")
def answered(written: Path) -> tuple[object, ...]:
    """All of them, as one query has them."""
    (row,) = ask(written, f"select {', '.join(sql for sql, _ in VALUES)}").rows
    return row


@pytest.mark.parametrize("sql", [sql for sql, _ in VALUES])
def test_values_keep_what_they_are(sql: str, answered: tuple[object, ...]) -> None:
    position, expected = next((n, expected) for n, (known, expected) in enumerate(VALUES) if known == sql)

    assert answered[position] == expected


@pytest.mark.parametrize(
    "query",
    [
        "select i, interval (i) month as i from range(3) t(i) order by i desc; -- the last first; or so",
        "from (values (2, interval 2 month), (1, interval 1 month), (0, interval 0 month)) t /* ; */ ;",
        "with t(i) as (from range(3)) select i, interval (i) month from t order by 1 desc limit 3",
    ],
)
def test_times_and_intervals_leave_a_query_as_it_was_written(path: Path, query: str) -> None:
    assert ask(path, query).rows == ((2, "2 months"), (1, "1 month"), (0, "00:00:00"))


def test_a_pivot_has_its_intervals_as_they_are(path: Path) -> None:
    query = "pivot (select 'a' as name, interval '1 month' as lasts) on name using first(lasts)"
    assert ask(path, query) == Table(("a",), ("INTERVAL",), (("1 month",),))


def test_the_types_told_are_those_of_the_query(path: Path) -> None:
    table = ask(path, "select interval '1 month' as a, [timestamptz 'infinity'] as a, 1::integer as c")
    assert (table.columns, table.types[0], table.types[2]) == (("a", "a", "c"), "INTERVAL", "INTEGER")
    assert table.types[1] == "TIMESTAMP WITH TIME ZONE[]"


def test_a_lone_surrogate_in_a_query_becomes_its_escape(path: Path) -> None:
    assert ask(path, "select '\ud800'").rows == (("\\ud800",),)


def test_nan_stays_nan(path: Path) -> None:
    ((value,),) = ask(path, "select 'nan'::double").rows
    assert value != value


@pytest.mark.parametrize("query", ["describe results", "summarize results", "show tables", "explain from results"])
def test_other_questions_are_answered(path: Path, query: str) -> None:
    assert ask(path, query).rows


def test_a_pivot_is_answered(path: Path) -> None:
    assert len(ask(path, "pivot metrics on name using avg(value) group by test_id").rows) == 2


@pytest.mark.parametrize(
    "query",
    [
        "copy runs to '{target}'",
        "with x as (copy (select 1) to '{target}') select * from x",
        "explain analyze copy runs to '{target}'",
        "pivot (copy runs to '{target}') on run_id",
        "select 1; copy runs to '{target}'",
        "attach '{target}' as other",
        "export database '{target}'",
        "from read_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "from read_text('/etc/passwd')",
        "from glob('/etc/*')",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
        "reset lock_configuration",
        "pragma enable_logging",
        "call enable_logging('QueryLog', storage='file', storage_path='{target}')",
        "from enable_logging(storage='file', storage_path='{target}')",
        "from query('copy runs to ''{target}''')",
        "from request",
        "create table x (a integer)",
        "create temp table x (a integer)",
        "insert into runs (run_id) values ('x')",
        "delete from runs",
        "drop view results",
        "update runs set suite = 'x'",
        "begin",
        "checkpoint",
        "vacuum",
    ],
)
def test_what_writes_or_reaches_out_is_refused(path: Path, tmp_path: Path, query: str) -> None:
    target, before = tmp_path / "target", path.read_bytes()
    with pytest.raises(UsageError) as caught:
        ask(path, query.format(target=target))
    assert "\n" not in str(caught.value)
    assert (target.exists(), path.read_bytes() == before) == (False, True)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from reslts", r'does not exist! Did you mean "results"\?'),
        ("select nme from results", "nme"),
        ("selec 1", "syntax error"),
        ("", "found 0 statements in the query, expected one"),
        ("select 1; select 2", "found 2 statements in the query, expected one"),
        ("drop table runs", "found a statement of type DROP, expected a query"),
    ],
)
def test_a_wrong_query_is_told_in_one_line(path: Path, query: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        ask(path, query)
    assert "\n" not in str(caught.value)


def test_an_endless_query_ends_at_its_time_limit(path: Path) -> None:
    endless = "with recursive t(a) as (select 1 union all select a + 1 from t) select count(*) from t"
    with pytest.raises(UsageError, match=r"took longer than 0\.3 s and was ended"):
        run_sql(path, endless, timeout_seconds=0.3)


def test_a_query_that_eats_memory_is_ended(path: Path) -> None:
    with pytest.raises(UsageError, match=r"Out of Memory|too much memory"):
        ask(path, "select list(i) from range(100000000000) t(i)")


def test_an_answer_that_is_too_large_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_ANSWER_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="larger than 1 MB: ask for fewer rows"):
        ask(path, "select repeat('x', 1000) from range(1000000000)")


def test_a_single_value_that_is_too_large_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_ANSWER_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="larger than 1 MB: ask for fewer rows"):
        ask(path, "select repeat('x', 50_000_000)")


def test_an_answer_of_too_many_rows_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MAX_ROWS", 1000)
    assert len(ask(path, "from range(1000)").rows) == 1000
    with pytest.raises(UsageError, match="has more than 1,000 rows: ask for fewer"):
        ask(path, "from range(1001)")


def test_many_rows_take_little_memory_of_whoever_asks(path: Path) -> None:
    script = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from pulseq.results.formats import format_csv
        from pulseq.results.sandbox import run_sql

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        before = peak()
        table = run_sql(Path(sys.argv[1]), "select i, -i from range(1000000) t(i)", timeout_seconds=600)
        print(sum(1 for line in format_csv(table)), peak() - before)
        """
    )
    told = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    lines, kilobytes = map(int, told.stdout.split())
    assert lines == 1_000_001
    assert kilobytes < 60_000  # 17 MB come; as values of Python they are 150


def test_what_a_query_says_wrong_reaches_no_terminal_raw(path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        ask(path, "select ('a' || chr(27) || '[31m')::integer")
    assert "\\x1b[31m" in str(caught.value)


def test_a_database_that_is_not_there_yet_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no database .* yet: `pulseq run` makes it"):
        ask(tmp_path / "none.duckdb", "from results")


def test_a_damaged_database_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_bytes(b"damage")
    with pytest.raises(DatabaseDamagedError, match="pulseq results sync"):
        ask(tmp_path / "x.duckdb", "from results")


def test_a_newer_schema_is_refused(path: Path) -> None:
    with Database(path).write() as connection:
        connection.execute("INSERT INTO pulseq_schema VALUES (9, now())")
    with pytest.raises(SchemaVersionError, match="schema version 9"):
        ask(path, "from results")


def test_a_file_that_stays_locked_is_busy(path: Path) -> None:
    with Database(path).write(), pytest.raises(DatabaseBusyError, match="is held open by"):
        ask(path, "from results", patience_seconds=0.1)


def test_a_process_that_dies_without_a_word_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(PulseqError, match="ended with code 1 and no answer"):
        ask(path, "from results")


def test_the_child_dies_when_whoever_asked_is_killed(path: Path) -> None:
    script = textwrap.dedent(
        """
        import subprocess, sys
        from pathlib import Path
        from pulseq.results import sandbox

        class Telling(subprocess.Popen):
            def __init__(self, *args, **more):
                super().__init__(*args, **more)
                print(self.pid, flush=True)

        sandbox.subprocess.Popen = Telling
        sandbox.run_sql(Path(sys.argv[1]), "select count(*) from range(10000000000000)", timeout_seconds=600)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        child = os.pidfd_open(int(asker.stdout.readline()))
        asker.send_signal(signal.SIGKILL)
    try:
        ended, _, _ = select.select([child], [], [], 60)
        assert ended == [child]
    finally:
        os.close(child)
