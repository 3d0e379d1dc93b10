import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from pulseq.errors import PulseqError, SchemaVersionError, UsageError
from pulseq.results.database import SCHEMA_VERSION, Database, DatabaseBusyError, DatabaseDamagedError
from tests.results.conftest import MakeDatabase
from tests.results.holding import held_by_another_process

CONTRACT = {
    "results": "run_id suite test_id variant name body node_id status reason flaky attempts duration queue_seconds "
    "started_at finished_at priority error simulated metrics xpassed",
    "metrics": "run_id test_id variant attempt node_id name value",
    "run_summary": "run_id suite total_tests passed failed errors skipped flaky pass_rate wall_seconds test_seconds "
    "prefect_url deselected warnings xpassed not_run projects",
    "node_summary": "run_id node_id total_tests passed failed errors skipped pass_rate busy_seconds not_run",
    "lineages": "run_id suite projects",
    "metric_summary": "run_id name count min max avg p50 p95 p99",
    "flaky_tests": "test_id variant flip_rate in_run_flakes last_seen suite projects",
    "slowest_tests": "test_id variant p50 p95 runs suite projects",
    "runs": "run_id",
    "attempts": "run_id test_id variant attempt output exit_code signal error warnings leaked_processes simulated "
    "queue_seconds task_run_id pytest_warnings xpassed properties subtests rerun",
    "properties": "run_id entry test_id variant attempt kind name value",
    "pytest_warnings": "run_id entry test_id variant attempt category message location when",
    "collections": "run_id entry node_id items deselected warnings",
    "sessions": "run_id entry node_id exit_status error summary",
    "nodes": "run_id node_id capabilities",
    "node_health": "run_id node_id status",
}


@pytest.fixture
def database(tmp_path: Path, make_database: MakeDatabase) -> Database:
    return make_database(tmp_path / "results.duckdb", patience_seconds=0.2)


@pytest.mark.parametrize("name", CONTRACT)
def test_a_table_or_view_has_the_promised_columns(database: Database, name: str) -> None:
    with database.read() as connection:
        rows = connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND NOT internal ORDER BY column_index",
            [name],
        ).fetchall()
    assert set(CONTRACT[name].split()) - {row[0] for row in rows} == set()


def test_every_table_view_and_column_is_documented(database: Database) -> None:
    with database.read() as connection:
        bare = connection.execute(
            """SELECT table_name FROM duckdb_tables() WHERE coalesce(comment, '') = ''
            UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal AND coalesce(comment, '') = ''
            UNION ALL SELECT table_name || '.' || column_name FROM duckdb_columns()
            WHERE NOT internal AND coalesce(comment, '') = ''"""
        ).fetchall()
    assert bare == []


def test_the_file_knows_the_version_of_its_schema(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute("SELECT max(version) FROM pulseq_schema").fetchall() == [(SCHEMA_VERSION,)]


def test_whoever_reads_a_file_of_an_older_version_finds_it_brought_to_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path / "results.duckdb")
    with monkeypatch.context() as earlier:
        earlier.setattr("pulseq.results.database.SCHEMA_VERSION", 1)
        earlier.setattr("pulseq.results.database.make_views", lambda _: None)  # these are over later tables
        with database.write() as connection:
            columns = "run_id, test_id, variant, attempt, status"
            connection.execute(f"INSERT INTO attempts ({columns}) VALUES ('r', 'a', '', 1, 'passed')")
    with database.read() as connection:
        rows = connection.execute("SELECT test_id, pytest_warnings, xpassed, rerun FROM attempts").fetchall()
        versions = connection.execute("SELECT version FROM pulseq_schema ORDER BY version").fetchall()
    assert (rows, versions) == ([("a", None, None, False)], [(version,) for version in range(1, SCHEMA_VERSION + 1)])


def test_connections_speak_utc(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_a_write_is_there_for_the_next_reader(database: Database) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO runs (run_id) VALUES ('r')")
    with database.read() as connection:
        assert connection.execute("SELECT run_id FROM runs").fetchall() == [("r",)]


def test_an_error_undoes_the_write(database: Database) -> None:
    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO runs (run_id) VALUES ('r')")
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with database.read() as connection:
        assert connection.execute("SELECT run_id FROM runs").fetchall() == []


def test_a_refused_statement_is_an_error_of_ours_in_one_line(database: Database) -> None:
    with pytest.raises(PulseqError, match="syntax error") as caught, database.write() as connection:
        connection.execute("INSERT INTO")
    assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no database .* yet: `pulseq run` makes it"):
        with Database(tmp_path / "none.duckdb").read():
            pass


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be opened"), Database(tmp_path / "file" / "x.duckdb").write():
        pass


@pytest.mark.processes
@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_stays_locked_is_busy(database: Database, read_only: bool) -> None:
    with held_by_another_process(database.path, read_only=read_only) as pid:
        held = rf"is held open by process {pid} \(python[\d.]*\): close it there"
        with pytest.raises(DatabaseBusyError, match=held) as error, database.write():
            pass
        assert f"process {pid} " in error.value.holder
    with database.write():
        pass


@pytest.mark.processes
def test_readers_share_the_file(database: Database) -> None:
    with held_by_another_process(database.path, read_only=True), database.read() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(0,)]


@pytest.mark.processes
def test_a_lock_that_goes_away_in_time_is_waited_for(database: Database) -> None:
    patient = Database(database.path, patience_seconds=60.0)
    done = threading.Event()

    def write() -> None:
        with patient.write():
            done.set()

    with held_by_another_process(database.path, read_only=True):
        thread = threading.Thread(target=write)
        thread.start()
        assert not done.is_set()
    thread.join()
    assert done.is_set()


def test_threads_of_one_process_take_turns(database: Database) -> None:
    patient = Database(database.path, patience_seconds=60.0)

    def work(number: int) -> None:
        with patient.write() as connection:
            connection.execute("INSERT INTO runs (run_id) VALUES (?)", [str(number)])
        with patient.read() as connection:
            connection.execute("SELECT count(*) FROM runs").fetchall()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with patient.read() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(6,)]


def test_a_connection_held_elsewhere_in_the_process_is_busy(database: Database) -> None:
    with database.read(), pytest.raises(DatabaseBusyError, match="another part of this process"), database.read():
        pass


def test_a_newer_schema_is_refused_naming_both_versions_and_what_to_do(database: Database) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO pulseq_schema VALUES (7, now())")
    with pytest.raises(SchemaVersionError, match=f"schema version 7, .* up to version {SCHEMA_VERSION}: use a PulseQ"):
        with database.read():
            pass
    with pytest.raises(SchemaVersionError), database.write():
        pass


@pytest.mark.parametrize("content", [b"", b"no database at all", b"\0" * 20_000])
def test_a_file_that_is_no_database_is_damaged_and_set_aside(tmp_path: Path, content: bytes) -> None:
    database = Database(tmp_path / "results.duckdb")
    database.path.write_bytes(content)
    with pytest.raises(DatabaseDamagedError, match="pulseq results sync"), database.write():
        pass
    aside = database.set_aside()
    assert aside is not None
    assert aside.name.startswith("results.duckdb.damaged-")
    assert (aside.read_bytes(), database.path.exists()) == (content, False)


def test_a_turned_bit_among_the_rows_is_found_by_the_check(database: Database) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO runs (run_id, suite) SELECT i, repeat('mark', 50) || i FROM range(50000) t(i)")
    content = bytearray(database.path.read_bytes())
    content[content.index(b"markmark")] ^= 1
    database.path.write_bytes(content)
    with pytest.raises(DatabaseDamagedError):
        database.check()
    assert database.set_aside() is not None


def test_a_sound_database_is_never_set_aside(database: Database) -> None:
    assert database.set_aside() is None
    assert database.path.exists()


def test_a_database_that_is_gone_is_not_set_aside(tmp_path: Path) -> None:
    assert Database(tmp_path / "none.duckdb").set_aside() is None


@pytest.mark.processes
def test_a_foreign_duckdb_file_is_told_from_ours(tmp_path: Path) -> None:
    path = tmp_path / "foreign.duckdb"
    subprocess.run([sys.executable, "-c", f"import duckdb; duckdb.connect({str(path)!r}).close()"], check=True)
    with pytest.raises(UsageError, match="none of PulseQ's"), Database(path).read() as connection:
        connection.execute("FROM runs")


@pytest.mark.processes
def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import resource, signal, sys
        from pathlib import Path
        from pulseq.errors import InfrastructureError
        from pulseq.results.database import Database

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        database = Database(Path(sys.argv[1]))
        with database.write() as connection:
            connection.execute("INSERT INTO runs (run_id) VALUES ('before')")
        size = Path(sys.argv[1]).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            with database.write() as connection:
                connection.execute("INSERT INTO run_notes SELECT 'r', i, now(), uuid() FROM range(300000) t(i)")
        except InfrastructureError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with database.read() as connection:
            print(connection.execute("SELECT run_id FROM runs").fetchall())
        """
    )
    command = [sys.executable, "-c", script, str(tmp_path / "results.duckdb")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    message, rows = ended.stdout.splitlines()
    assert "free some space, then `pulseq results sync`" in message
    assert rows == "[('before',)]"


def test_a_file_that_is_no_database_and_not_called_one_is_refused_and_left_alone(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("my notes, not yours " * 500)

    with pytest.raises(UsageError, match="is no DuckDB database"):
        Database(notes).set_aside()

    assert notes.read_text() == "my notes, not yours " * 500


def test_a_file_is_written_in_small_groups_of_rows_and_leaves_no_log(tmp_path: Path) -> None:
    database = Database(tmp_path / "it's one.duckdb")
    with database.write() as connection:
        connection.execute("INSERT INTO run_notes SELECT 'r', i, NULL, 'text' FROM range(25_000) AS numbers(i)")
    with database.read() as connection:
        groups = "SELECT max(count) <= 10_240 FROM pragma_storage_info('run_notes')"
        assert connection.execute(groups).fetchall() == [(True,)]
        assert connection.execute("SELECT count(*) FROM run_notes").fetchall() == [(25_000,)]
    assert [path.name for path in tmp_path.iterdir()] == ["it's one.duckdb"]


IN_USE_AT_THE_END = """
import ctypes
from pulseq.results.bulk import BulkBatch
from pulseq.results.database import Database
for held in (BulkBatch, Database):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))
"""


@pytest.mark.processes
def test_a_process_that_ends_with_all_this_in_use_says_nothing_of_it() -> None:
    # As Prefect's threads do: they keep the code of a flow beyond the interpreter's end.
    ended = subprocess.run([sys.executable, "-c", IN_USE_AT_THE_END], capture_output=True, text=True, check=True)

    assert "" == ended.stderr
