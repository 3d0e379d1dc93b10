"""`pulseq results sync`: what is brought in, and how that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.cli.main import run_command
from pulseq.models import Status
from pulseq.results.database import Database
from tests.results.conftest import Story


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    story = Story(tmp_path / "home")
    story.run("r1", story.test("a", Status.PASSED))
    return story


def _runs(path: Path) -> list[str]:
    with Database(path).read() as connection:
        return [run_id for (run_id,) in connection.execute("SELECT run_id FROM runs ORDER BY 1").fetchall()]


def test_every_journal_comes_into_the_database_of_the_state_directory(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    path = story.home / "results.duckdb"

    assert 0 == run_command(["results", "sync"])

    assert f"1 run, 9 new events: {path}\n" == capsys.readouterr().err
    assert ["r1"] == _runs(path)


def test_another_file_can_be_named(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert 0 == run_command(["results", "sync", "--db", "other.duckdb"])

    assert ["r1"] == _runs(tmp_path / "other.duckdb")
    assert not (story.home / "results.duckdb").exists()


def test_a_rebuild_forgets_what_no_journal_tells(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["results", "sync"])
    story.run("r2", story.test("b", Status.FAILED))
    capsys.readouterr()

    assert 0 == run_command(["results", "sync", "--rebuild"])

    assert "2 runs, 18 new events" in capsys.readouterr().err
    assert ["r1", "r2"] == _runs(story.home / "results.duckdb")


def test_a_journal_that_cannot_be_taken_in_is_told_and_the_code_says_so(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    (story.home / "runs" / "r2" / "journal.jsonl").mkdir(parents=True)

    assert 4 == run_command(["results", "sync"])

    assert "r2" in capsys.readouterr().err
    assert ["r1"] == _runs(story.home / "results.duckdb")
