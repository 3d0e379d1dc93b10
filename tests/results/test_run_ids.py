import shutil

import pytest

from pulseq.errors import SchemaVersionError, UsageError
from pulseq.models import Status
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.retention import pack_old_runs
from pulseq.results.run_ids import refuse_used_id


@pytest.fixture
def database(story, make_database) -> Database:
    database = make_database(story.home / "results.duckdb")
    ingest(story.run("nightly", story.test("a", Status.PASSED)), database)
    return database


@pytest.mark.parametrize("kept_by", ["journal", "database", "archive"])
def test_an_id_that_a_run_has_is_refused_wherever_it_is_kept(story, database: Database, kept_by: str) -> None:
    if kept_by == "archive":
        pack_old_runs(story.home, database, keep_seconds=0.0, now=2e9)
    if kept_by == "database":
        shutil.rmtree(story.home / "runs")
    else:
        database.path.unlink()
    with pytest.raises(UsageError, match=r"--run-id: found 'nightly', which is a run in .* already; choose another"):
        refuse_used_id("nightly", story.home, database.path)


@pytest.mark.parametrize("lack", ["nothing", "database", "sound database"])
def test_an_id_that_no_run_has_is_fine(story, database: Database, lack: str) -> None:
    if lack == "database":
        database.path.unlink()
    if lack == "sound database":
        database.path.write_bytes(b"damage")
    refuse_used_id("weekly", story.home, database.path)


def test_a_database_that_is_busy_keeps_nobody_from_running(story, database: Database) -> None:
    shutil.rmtree(story.home / "runs")
    with database.read():
        refuse_used_id("nightly", story.home, database.path)


def test_a_database_of_a_newer_version_is_refused_before_anything_is_run(story, database: Database) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO pulseq_schema VALUES (7, now())")
    with pytest.raises(SchemaVersionError):
        refuse_used_id("weekly", story.home, database.path)
