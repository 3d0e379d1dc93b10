"""What becomes of the journals of old runs."""

import gzip
import os
import stat
from pathlib import Path

import pytest

from pulseq.artifacts import Artifact
from pulseq.errors import InfrastructureError
from pulseq.events import ArtifactsKept
from pulseq.models import Status
from pulseq.results.database import Database
from pulseq.results.journal import JournalWriter, journal_path
from pulseq.results.retention import ARCHIVE, RetentionReport, archive_path, pack_old_runs
from pulseq.results.sync import sync
from tests.results.conftest import START, MakeDatabase, Story

DAY = 86_400.0


@pytest.fixture
def database(story: Story, make_database: MakeDatabase) -> Database:
    return make_database(story.home / "results.duckdb")


def pack(story: Story, database: Database, *, days: float = 30.0) -> RetentionReport:
    return pack_old_runs(story.home, database, keep_seconds=days * DAY, now=START + 100 * DAY)


def rows(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        return connection.execute("SELECT run_id, test_id FROM results ORDER BY ALL").fetchall()


def test_journal_database_and_archive_are_this_users_alone_whatever_the_umask(story: Story, database: Database) -> None:
    before = os.umask(0)
    try:
        journal = story.run("old", story.test("t1", Status.PASSED))
        sync(story.home, database)
        written = [journal, journal.parent, journal.parent.parent, database.path]
        modes = [stat.S_IMODE(path.stat().st_mode) for path in written]
        pack(story, database)
    finally:
        os.umask(before)
    archive = archive_path(story.home, "old")

    assert [0o600, 0o700, 0o700, 0o600] == modes
    assert [0o600, 0o700] == [stat.S_IMODE(path.stat().st_mode) for path in (archive, archive.parent)]


def test_an_old_run_is_packed_and_its_rows_stay(story: Story, database: Database) -> None:
    journal = story.run("old", story.test("t1", Status.PASSED))
    (journal.parent / "logs").mkdir()
    (journal.parent / "logs" / "node1.log").write_text("much to say\n" * 1000)
    text = journal.read_bytes()
    sync(story.home, database)

    report = pack(story, database)

    assert ("old",) == report.runs
    assert report.freed_bytes > 11_000
    assert text == gzip.decompress(archive_path(story.home, "old").read_bytes())
    assert not journal.parent.exists()
    assert [("old", "t1")] == rows(database)


def test_what_tests_left_goes_with_the_run_and_its_rows_stay(story: Story, database: Database) -> None:
    kept = ArtifactsKept("t1", "", 1, "n", (Artifact("a", 50_000, "f00d", "", "artifacts/t1/1/a"),))
    journal = story.run("old", [*story.test("t1", Status.FAILED), kept])
    first = journal.parent / "artifacts" / "t1" / "1" / "a"
    first.parent.mkdir(parents=True)
    first.write_bytes(bytes(50_000))
    (first.parent / "b").hardlink_to(first)
    sync(story.home, database)

    report = pack(story, database)

    assert 45_000 < report.freed_bytes < 60_000
    assert not journal.parent.exists()
    with database.read() as connection:
        assert [("t1", "a")] == connection.execute("SELECT test_id, name FROM artifacts").fetchall()


def test_a_packed_run_comes_back_by_unpacking(story: Story, database: Database) -> None:
    story.run("old", story.test("t1", Status.PASSED))
    sync(story.home, database)
    pack(story, database)
    database.path.unlink()

    path = journal_path(story.home, "old")
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.decompress(archive_path(story.home, "old").read_bytes()))
    sync(story.home, database)

    assert [("old", "t1")] == rows(database)


def test_a_young_run_stays(story: Story, database: Database) -> None:
    story.run("young", story.test("t1", Status.PASSED), at=START + 80 * DAY)
    sync(story.home, database)

    assert RetentionReport((), 0) == pack(story, database)


def test_a_journal_that_the_database_does_not_know_stays_whatever_its_name_and_size(
    story: Story, database: Database
) -> None:
    story.run("old", story.test("t1", Status.PASSED))
    sync(story.home, database)
    journal_path(story.home, "old").unlink()
    story.run("old", story.test("t2", Status.PASSED), at=START + 1.0)

    assert RetentionReport((), 0) == pack(story, database)


def test_a_run_without_an_end_stays(story: Story, database: Database) -> None:
    story.write("open", story.test("t1", Status.PASSED))
    sync(story.home, database)

    assert () == pack(story, database).runs


def test_a_journal_that_the_database_has_not_whole_stays(story: Story, database: Database) -> None:
    story.run("old", story.test("t1", Status.PASSED))
    sync(story.home, database)
    story.write("old", story.test("t2", Status.PASSED))

    assert () == pack(story, database).runs


def test_a_journal_that_is_being_written_stays(story: Story, database: Database) -> None:
    journal = story.run("old", story.test("t1", Status.PASSED))
    sync(story.home, database)

    with JournalWriter(journal):
        assert () == pack(story, database).runs
    assert ("old",) == pack(story, database).runs


def test_without_a_database_nothing_is_packed(story: Story, database: Database) -> None:
    story.run("old", story.test("t1", Status.PASSED))

    assert () == pack(story, database).runs


def test_a_run_that_cannot_be_packed_stays_and_is_told(story: Story, database: Database) -> None:
    journal = story.run("old", story.test("t1", Status.PASSED))
    sync(story.home, database)
    Path(story.home / ARCHIVE).write_text("in the way")

    with pytest.raises(InfrastructureError, match="the journal of run 'old' cannot be packed"):
        pack(story, database)
    assert journal.exists()
