"""Results that are added by hand, kept for later."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pulseq.distributed.added_journal import AddedJournal
from pulseq.errors import InfrastructureError, UsageError
from pulseq.results.added_results import AddedResult
from pulseq.results.database import Database
from pulseq.results.journal import journal_path
from tests.journals import replay

ONE = AddedResult("test1", "node1", "passed", 1.0, 1_700_000_000_000_000, None, 1, None, "", False, False, None)
BAD = replace(ONE, status="failed", reason="assertion", error="no")


def stored(home: Path) -> list[tuple[object, ...]]:
    with Database(home / "results.duckdb").read() as connection:
        return connection.execute("SELECT test_id, status, attempts FROM results ORDER BY test_id").fetchall()


def test_nothing_is_written_before_the_first_result(tmp_path: Path) -> None:
    AddedJournal(tmp_path / "home", 5.0).close()

    assert not (tmp_path / "home").exists()


def test_results_are_in_the_journal_and_in_the_database(tmp_path: Path) -> None:
    journal = AddedJournal(tmp_path, 5.0)
    journal.add(ONE)
    journal.add(replace(BAD, test_id="test2"))
    journal.close()
    record = replay(journal_path(tmp_path, journal.run_id))

    assert 2 == len(record.tests)
    assert [("test1", "passed", 1), ("test2", "failed", 1)] == stored(tmp_path)


def test_results_reach_the_database_every_interval_while_it_is_open(tmp_path: Path) -> None:
    journal = AddedJournal(tmp_path, 1e-9)
    journal.add(ONE)

    assert [("test1", "passed", 1)] == stored(tmp_path)
    journal.close()


def test_a_second_result_of_a_test_is_a_further_attempt(tmp_path: Path) -> None:
    journal = AddedJournal(tmp_path, 5.0)
    journal.add(BAD)
    journal.add(ONE)
    journal.close()
    journal.close()

    assert [("test1", "passed", 2)] == stored(tmp_path)


def test_a_state_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"):
        AddedJournal(tmp_path / "home", 5.0).add(ONE)


def test_a_state_directory_that_is_removed_is_told(tmp_path: Path) -> None:
    journal = AddedJournal(tmp_path / "home", 0.0)
    journal.add(ONE)
    shutil.rmtree(tmp_path / "home")
    with pytest.raises(InfrastructureError, match="was removed"):
        journal.add(BAD)


def test_a_long_id_is_bounded_and_kept_whole_once(tmp_path: Path) -> None:
    journal = AddedJournal(tmp_path, 5.0)
    for result in (BAD, ONE):
        journal.add(replace(result, test_id="i" * 5_000, error="e" * 10**6))
    journal.close()

    ((test_id, _, attempts),) = stored(tmp_path)
    assert (len(str(test_id)), attempts) == (1_000, 2)
    (test,) = replay(journal_path(tmp_path, journal.run_id)).tests.values()
    assert test.planned.whole_id == "i" * 5_000
    assert journal_path(tmp_path, journal.run_id).stat().st_size < 400_000
