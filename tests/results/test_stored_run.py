"""A run as the database has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.models import Reason, Status
from pulseq.records import TestRecord
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import replay
from pulseq.results.stored_run import load_run
from pulseq.results.sync import sync

PASSED, FAILED = Status.PASSED, Status.FAILED


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "results.duckdb")


def test_a_stored_run_is_what_its_journal_tells(story, database: Database) -> None:
    told = [story.test("a", FAILED, PASSED), story.test("b", FAILED, variant="browser=firefox", reason=Reason.SETUP)]
    journal = story.run("r1", *told, options={"projects": ["/shop"]})
    ingest(journal, database)

    stored, (record, _) = load_run(database), replay(journal)

    assert list(stored.tests.items()) == list(record.tests.items())
    assert isinstance(stored.tests["a", ""], TestRecord)
    assert (stored.started, stored.prefect, stored.finished) == (record.started, record.prefect, record.finished)
    assert list(stored.nodes.items()) == list(record.nodes.items())


def test_the_last_run_is_the_one_that_started_last(story, database: Database) -> None:
    for run_id, at in (("late", 2000.0), ("early", 1000.0)):
        ingest(story.run(run_id, story.test("a", PASSED), at=at), database)
    started = load_run(database).started
    assert started is not None
    assert started.run_id == "late"


def test_a_run_that_is_not_there_is_refused(story, database: Database) -> None:
    ingest(story.run("r1", story.test("a", PASSED)), database)
    with pytest.raises(UsageError, match="has no run 'r9'"):
        load_run(database, "r9")


def test_a_database_without_runs_is_refused(tmp_path: Path, database: Database) -> None:
    sync(tmp_path)
    with pytest.raises(UsageError, match="has no run yet"):
        load_run(database)
