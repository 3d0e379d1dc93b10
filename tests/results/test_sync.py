"""The database against its journals: what differs is mended, what is lost is made anew."""

import gzip
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulseq.errors import UsageError
from pulseq.events import AttemptFinished, RunStarted
from pulseq.models import AttemptResult, Status
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import JournalWriter
from pulseq.results.retention import pack_old_runs
from pulseq.results.sync import sync, tell_findings
from tests.results.asking import ask, everything

pytestmark = pytest.mark.system

PASSED, FAILED = Status.PASSED, Status.FAILED


def change(database: Database, *statements: str) -> None:
    """What a client with the file open may do."""
    with database.write() as connection:
        for statement in statements:
            connection.execute(statement)


def test_sync_takes_in_every_run(story) -> None:
    story.run("r1", story.test("a", PASSED))
    story.run("r2", story.test("a", FAILED))
    report = sync(story.home)
    assert [run.run_id for run in report.runs] == ["r1", "r2"]
    assert (report.entries, report.damaged_lines, report.set_aside) == (18, 0, None)
    rows = ask(Database(story.home / "results.duckdb"), "SELECT run_id, status FROM results ORDER BY 1")
    assert rows == [("r1", "passed"), ("r2", "failed")]


def test_sync_without_any_run_makes_an_empty_database(tmp_path: Path) -> None:
    assert sync(tmp_path).runs == ()
    assert ask(Database(tmp_path / "results.duckdb"), "FROM results") == []


@pytest.mark.parametrize("harm", ["deleted", "damaged"])
def test_sync_rebuilds_a_lost_database_row_for_row(story, database, harm: str) -> None:
    for run_id in ("r1", "r2"):
        ingest(story.run(run_id, story.test("a", FAILED, PASSED), story.test("b", FAILED)), database)
    before = everything(database)
    database.path.unlink() if harm == "deleted" else database.path.write_bytes(b"damage")
    report = sync(story.home, database)
    assert everything(database) == before
    assert (report.set_aside is not None) == (harm == "damaged")


CHANGES = (
    "UPDATE verdicts SET status = 'passed', reason = NULL",
    "UPDATE attempts SET output = 'nothing to see'",
    "DELETE FROM attempts WHERE test_id = 'b'",
    "DELETE FROM runs",
    "INSERT INTO verdicts FROM verdicts",
    "UPDATE tests SET name = 'other' WHERE test_id = 'a'",
    "DELETE FROM journals",
    "UPDATE journals SET rows_checksum = NULL, end_offset = 17",
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3, unique=True))
def test_rows_that_a_client_has_changed_are_as_their_journals_say_again(
    story, tmp_path_factory, make_database, changes: list[str]
) -> None:
    whole = Database(story.home / "results.duckdb")
    if not whole.path.exists():
        for run_id in ("r1", "r2"):
            story.run(run_id, story.test("a", FAILED, PASSED), story.test("b", FAILED))
        sync(story.home, make_database(whole.path))
    database = Database(tmp_path_factory.mktemp("changed") / "results.duckdb")
    shutil.copyfile(whole.path, database.path)
    change(database, *changes)
    sync(story.home, database)
    assert everything(database) == everything(whole)


def test_a_changed_run_is_named_and_the_others_are_left_alone(story, database) -> None:
    for run_id in ("r1", "r2"):
        ingest(story.run(run_id, story.test("a", FAILED)), database)
    change(database, "UPDATE verdicts SET status = 'passed' WHERE run_id = 'r2'")
    report = sync(story.home, database)
    assert (report.mended, [run.entries for run in report.runs]) == (("r2",), [0, 9])
    assert tell_findings(report) == ["rows of 1 run had been changed and were built anew: r2"]


def test_what_is_as_it_was_is_not_taken_in_again(story, database) -> None:
    ingest(story.run("r1", story.test("a", FAILED)), database)
    story.write("killed", [RunStarted("killed", "s", 1.0, "0"), *story.test("a", PASSED)])
    assert sync(story.home, database).entries == 5
    report = sync(story.home, database)
    assert (report.entries, report.mended) == (0, ())


def test_a_run_that_goes_on_is_not_taken_in_from_its_start_each_time(story, database) -> None:
    journal = story.home / "runs" / "r1" / "journal.jsonl"
    with JournalWriter(journal) as writer:
        for event in [RunStarted("r1", "s", 1.0, "0"), *story.test("a", PASSED)]:
            writer.append(event)
        writer.commit()
        sync(story.home, database)
        assert sync(story.home, database).entries == 0


def test_changed_rows_of_a_run_without_a_journal_are_told_and_stay(story, database) -> None:
    ingest(story.run("r1", story.test("a", FAILED)), database)
    shutil.rmtree(story.home / "runs" / "r1")
    change(database, "UPDATE verdicts SET status = 'passed'")
    report = sync(story.home, database)
    assert tell_findings(report) == ["rows of 1 run have been changed, and no journal tells what they were: r1"]
    assert ask(database, "SELECT count(*) FROM results") == [(1,)]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DROP TABLE attempts", "has no table attempts"),
        ("DROP TABLE pulseq_schema", "has no table pulseq_schema"),
        ("ALTER TABLE pulseq_schema RENAME version TO number", "has other columns in pulseq_schema"),
    ],
)
def test_a_database_that_is_not_whole_is_set_aside_and_built_anew(story, database, statement: str, why: str) -> None:
    ingest(story.run("r1", story.test("a", FAILED)), database)
    before = everything(database)
    change(database, statement)
    report = sync(story.home, database)
    assert everything(database) == before
    assert report.set_aside is not None
    assert (report.why, report.set_aside.exists()) == (why, True)


@pytest.mark.parametrize("statement", ["DROP VIEW results", "CREATE OR REPLACE VIEW results AS SELECT 'r1' AS run_id"])
def test_views_that_a_client_has_changed_are_made_anew_in_their_place(story, database, statement: str) -> None:
    ingest(story.run("r1", story.test("a", FAILED)), database)
    change(database, "CREATE VIEW mine AS SELECT 1 AS one", statement)
    report = sync(story.home, database)
    assert report.set_aside is None
    assert ask(database, "SELECT test_id, one FROM results, mine") == [("a", 1)]


def test_a_rebuild_starts_from_nothing_and_leaves_no_old_file(story, database) -> None:
    ingest(story.run("r1", story.test("a", FAILED)), database)
    before = everything(database)
    change(database, "INSERT INTO attempts (run_id, test_id, variant, attempt, status) VALUES ('r1', 'z', '', 1, 'x')")
    report = sync(story.home, database, rebuild=True)
    assert everything(database) == before
    assert (report.set_aside, [path.name for path in database.path.parent.glob("results*")]) == (
        None,
        ["results.duckdb"],
    )


def test_a_rebuild_keeps_the_old_file_where_it_has_a_run_that_no_journal_has(story, database) -> None:
    for run_id in ("r1", "r2"):
        ingest(story.run(run_id, story.test("a", FAILED)), database)
    shutil.rmtree(story.home / "runs" / "r1")
    report = sync(story.home, database, rebuild=True)
    assert report.set_aside is not None
    assert ask(Database(report.set_aside), "SELECT run_id FROM runs ORDER BY 1") == [("r1",), ("r2",)]
    assert ask(database, "SELECT run_id FROM runs") == [("r2",)]
    assert tell_findings(report)[0].startswith("1 run without a journal: r1; of what was known of them, ")


def test_a_rebuild_of_what_is_not_there_is_a_sync(story, database) -> None:
    story.run("r1", story.test("a", FAILED))
    assert sync(story.home, database, rebuild=True).entries == 9


def test_a_rebuild_leaves_a_database_of_others_alone(story, tmp_path: Path) -> None:
    database = Database(tmp_path / "mine.duckdb")
    with database._connected(read_only=False) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS one")
    with pytest.raises(UsageError, match="is none of PulseQ's: --db names another"):
        sync(story.home, database, rebuild=True)


@pytest.mark.parametrize("rebuild", [True, False])
def test_packed_journals_come_back_with_the_others(story, database, rebuild: bool) -> None:
    for run_id in ("r1", "r2"):
        ingest(story.run(run_id, story.test("a", FAILED)), database)
    before = everything(database)
    assert pack_old_runs(story.home, database, keep_seconds=0.0, now=2e9).runs == ("r1", "r2")
    if not rebuild:
        change(database, "DELETE FROM verdicts WHERE run_id = 'r1'")
    report = sync(story.home, database, rebuild=rebuild)
    assert everything(database) == before
    assert [run.run_id for run in report.runs] == (["r1", "r2"] if rebuild else ["r1"])


def test_a_packed_journal_that_is_damaged_is_named(story, database) -> None:
    archive = story.home / "archive"
    archive.mkdir(parents=True)
    (archive / "r1.jsonl.gz").write_bytes(gzip.compress(b"lines " * 1000)[:-12])
    report = sync(story.home, database)
    assert len(report.troubles) == 1
    assert "r1.jsonl.gz' cannot be unpacked" in report.troubles[0]


def test_journals_that_cannot_be_read_are_named_and_the_others_taken_in(story, database) -> None:
    story.run("r1", story.test("a", PASSED))
    (story.home / "runs" / "r2" / "journal.jsonl").mkdir(parents=True)
    (story.home / "runs" / "r3").mkdir()
    os.mkfifo(story.home / "runs" / "r3" / "journal.jsonl")
    report = sync(story.home, database)
    assert ask(database, "SELECT run_id FROM runs") == [("r1",)]
    assert [line.partition(", expected")[0].rpartition("' ")[2] for line in report.troubles] == [
        "is a directory",
        "is a FIFO",
    ]


def test_a_journal_with_a_value_that_no_table_holds_is_named_and_the_others_taken_in(story, database) -> None:
    result = AttemptResult("a", 1, "n", PASSED, output_bytes=1 << 70)
    story.run("r1", story.test("a", PASSED))
    story.write("r2", [AttemptFinished(result)])
    story.run("r3", story.test("a", PASSED))
    (line,) = sync(story.home, database).troubles
    assert "r2/journal.jsonl' cannot be taken in: " in line
    assert ask(database, "SELECT run_id FROM runs ORDER BY 1") == [("r1",), ("r3",)]


def test_of_two_journals_of_one_run_that_in_its_own_directory_counts(story, database) -> None:
    journal = story.run("r1", story.test("a", PASSED))
    journal.parent.rename(story.home / "runs" / "a-copy")
    other = story.run("r1", story.test("b", PASSED), at=2_000_000_000.0)
    (line,) = sync(story.home, database).troubles
    assert line == (
        f"the journal {str(story.home / 'runs' / 'a-copy' / 'journal.jsonl')!r} is left out: {str(other)!r} is of run "
        "'r1' as well; move one of them out of the way"
    )
    assert ask(database, "SELECT test_id FROM results") == [("b",)]


@pytest.mark.parametrize("rebuild", [True, False])
def test_a_database_that_is_a_fifo_is_refused_at_once(story, database, rebuild: bool) -> None:
    database.path.unlink()
    os.mkfifo(database.path)
    with pytest.raises(UsageError, match="is a FIFO, expected a file: --db names another"):
        sync(story.home, database, rebuild=rebuild)
