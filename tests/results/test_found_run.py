"""Runs are found where they are: in the database, or in their journals."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.events import RunNote, RunStarted
from pulseq.models import Status
from pulseq.results.database import Database, DatabaseBusyError
from pulseq.results.found_run import find_run, say_missing
from pulseq.results.journal import JournalWriter
from pulseq.results.sync import sync
from tests.results.conftest import START, MakeDatabase, Story
from tests.results.holding import held_by_another_process


@pytest.fixture
def database(story: Story, make_database: MakeDatabase) -> Database:
    return make_database(story.home / "results.duckdb", patience_seconds=0.2)


def _tell(story: Story, run_id: str, at: float, *, database: Path | None = None) -> Path:
    place = database or story.home / "results.duckdb"
    test = story.test("t1", Status.FAILED)
    return story.run(run_id, test, at=START + at, options={"database": str(place)})


def _found(story: Story, database: Database, run_id: str | None = None) -> str | None:
    started = find_run(story.home, database, run_id).record.started
    return started and started.run_id


def test_a_run_that_the_database_has_is_from_there(story: Story, database: Database) -> None:
    _tell(story, "r1", 0)
    sync(story.home, database)

    found = find_run(story.home, database)

    assert ("", "r1") == (found.note, _found(story, database))
    assert "" == say_missing(story.home, database)


def test_notes_after_the_end_of_a_run_do_not_make_it_missing(story: Story, database: Database) -> None:
    journal = _tell(story, "r1", 0)
    sync(story.home, database)
    with JournalWriter(journal) as writer:
        writer.append(RunNote("a process was killed"))

    assert ("", "") == (find_run(story.home, database).note, say_missing(story.home, database))


def test_a_run_that_was_cut_off_in_the_database_is_from_its_journal(story: Story, database: Database) -> None:
    options = {"database": str(database.path)}
    start = [RunStarted("r1", "checkout", START, "0.1", options), *story.test("t1", Status.PASSED)]
    journal = story.write("r1", start)
    sync(story.home, database)
    with JournalWriter(journal) as writer:
        for event in story.test("t2", Status.PASSED):
            writer.append(event)

    found = find_run(story.home, database)

    assert 2 == len(found.record.tests)
    assert found.note.startswith("run r1 is not in the database")


def test_a_newer_run_that_the_database_has_not_is_from_its_journal(story: Story, database: Database) -> None:
    _tell(story, "r1", 0)
    sync(story.home, database)
    _tell(story, "r2", 9)

    found = find_run(story.home, database)

    assert "r2" == _found(story, database)
    assert "r1" == _found(story, database, "r1")
    told = f"run r2 is not in the database {str(database.path)!r} yet; `pulseq results sync` takes in what is missing"
    assert f"{told}: this is from its journal" == found.note
    assert told == say_missing(story.home, database)


def test_what_its_attempts_said_is_in_a_run_from_its_journal(story: Story, database: Database) -> None:
    _tell(story, "r1", 0)
    found = find_run(story.home, database)
    test = found.record.tests["t1", ""]
    assert test.last is not None
    assert test.last.error is None

    found.fill([("t1", "")])

    told = found.record.tests["t1", ""].last
    assert told is not None
    assert "t1 says no" == told.error


@pytest.mark.processes
@pytest.mark.parametrize("read_only", [True, False])
def test_who_holds_the_database_is_named(story: Story, database: Database, read_only: bool) -> None:
    _tell(story, "r1", 0)
    sync(story.home, database)
    _tell(story, "r2", 9)
    _tell(story, "r3", 18)

    with held_by_another_process(database.path, read_only=read_only) as pid:
        found = find_run(story.home, database)

    assert found.note.startswith("run r3 is not in the database")
    assert f"since process {pid} (python" in found.note
    assert "has it open; close it there, then `pulseq results sync`" in found.note


def test_a_run_that_goes_on_is_from_its_journal_without_a_word(story: Story, database: Database) -> None:
    journal = _tell(story, "r1", 0)
    with JournalWriter(journal):
        found = find_run(story.home, database)

        assert ("", "r1") == (found.note, _found(story, database))
        assert "" == say_missing(story.home, database)


def test_runs_of_another_database_are_not_missing_in_this_one(story: Story, database: Database) -> None:
    _tell(story, "r1", 0)
    sync(story.home, database)
    _tell(story, "r2", 9, database=story.home / "other.duckdb")

    assert "r1" == _found(story, database)
    assert "" == say_missing(story.home, database)


def test_without_a_run_it_is_said_what_makes_one(story: Story, database: Database) -> None:
    database.path.unlink()
    with pytest.raises(UsageError, match="there is no database"):
        find_run(story.home, database)


@pytest.mark.processes
def test_a_locked_database_without_a_journal_is_busy(story: Story, database: Database) -> None:
    with database.write():
        pass
    with held_by_another_process(database.path, read_only=False), pytest.raises(DatabaseBusyError):
        find_run(story.home, database)
