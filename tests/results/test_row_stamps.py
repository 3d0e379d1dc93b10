"""What is written down of a run's rows, and how a change of theirs shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pulseq.models import Status
from pulseq.results.database import Database
from pulseq.results.ingest import RUN_TABLES, ingest
from pulseq.results.row_stamps import TABLES, Doubts, find_doubts, stamp_rows
from tests.results.conftest import MakeDatabase, Story

NOBODY: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory: pytest.TempPathFactory, make_database: MakeDatabase) -> Database:
    """Two runs, and a database that has them, which nobody changes."""
    story = Story(tmp_path_factory.mktemp("stamps"))
    database = make_database(story.home / "results.duckdb")
    for run_id in ("r1", "r2"):
        tests = story.test("a", Status.FAILED, Status.PASSED), story.test("b", Status.FAILED)
        ingest(story.run(run_id, *tests), database)
    return database


@pytest.fixture
def two_runs(taken_in: Database, tmp_path: Path) -> Database:
    return Database(shutil.copyfile(taken_in.path, tmp_path / "results.duckdb"))


def _doubts_after(database: Database, *statements: str) -> Doubts:
    with database.write() as connection:
        for statement in statements:
            connection.execute(statement)
        return find_doubts(connection, but_for="health:")


def test_every_table_with_rows_of_runs_is_looked_through() -> None:
    assert set(TABLES) == set(RUN_TABLES) - {"journals"}


def test_rows_as_they_were_taken_in_are_beyond_doubt(two_runs: Database) -> None:
    assert Doubts(NOBODY, NOBODY) == _doubts_after(two_runs)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE verdicts SET status = 'passed' WHERE run_id = 'r2' AND test_id = 'b'",
        "DELETE FROM attempts WHERE run_id = 'r2' AND attempt = 1",
        "INSERT INTO run_notes (run_id, seq, text) VALUES ('r2', 99, 'mine')",
        "DELETE FROM runs WHERE run_id = 'r2'",
    ],
)
def test_a_run_whose_rows_were_changed_is_found_and_no_other(two_runs: Database, statement: str) -> None:
    assert Doubts(frozenset({"r2"}), NOBODY) == _doubts_after(two_runs, statement)


def test_a_run_of_which_nothing_was_written_down_is_told_apart(two_runs: Database) -> None:
    unstamp = "UPDATE journals SET rows_count = NULL, rows_checksum = NULL WHERE run_id = 'r1'"

    assert Doubts(NOBODY, frozenset({"r1"})) == _doubts_after(two_runs, unstamp)


def test_a_change_that_is_written_down_is_none_any_more(two_runs: Database) -> None:
    with two_runs.write() as connection:
        connection.execute("UPDATE verdicts SET status = 'passed' WHERE run_id = 'r2'")
        stamp_rows(connection, "r2")
        assert Doubts(NOBODY, NOBODY) == find_doubts(connection, but_for="health:")


def test_journals_that_are_no_runs_are_left_out(two_runs: Database) -> None:
    other = "INSERT INTO journals (run_id, end_offset, damaged_lines) VALUES ('health:x', 1, 0)"

    assert Doubts(NOBODY, NOBODY) == _doubts_after(two_runs, other)
