"""`pulseq summary`: a stored run, for people and for programs."""

from __future__ import annotations

import json

import pytest

from pulseq.cli.main import run_command
from pulseq.models import Status
from pulseq.results.sync import sync
from tests.results.conftest import Story


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Two runs, and a database that has them."""
    story = Story(tmp_path_factory.mktemp("summary") / "home")
    story.run("r1", story.test("first", Status.PASSED))
    story.run("r2", story.test("quick", Status.PASSED), story.test("slow", Status.FAILED, duration=7.0), at=1.8e9)
    sync(story.home)
    return story


@pytest.fixture
def story(told: Story, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setenv("PULSEQ_HOME", str(told.home))
    monkeypatch.setenv("CI", "1")
    return told


def test_the_last_run_is_told_in_plain_lines(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run_command(["summary"])

    told = capsys.readouterr().out
    assert "slow" in told
    assert "slow says no" in told
    assert "first" not in told
    assert "\x1b" not in told


def test_a_run_that_is_named_is_told(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run_command(["summary", "r1"])

    assert "first" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "heading"), [("1", "slowest 1 of 2"), ("0", "slowest 2 of 2")])
def test_as_many_of_the_slowest_are_told_as_are_wanted(
    story: Story, count: str, heading: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run_command(["summary", "--durations", count])

    assert heading in capsys.readouterr().out


def test_a_program_gets_one_object(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run_command(["summary", "r2", "--output", "json"])

    told = json.loads(capsys.readouterr().out)
    assert ("r2", 2, 1, 1) == (
        told["run_id"],
        *(told["counts"][name] for name in ("total", "passed", "failed")),
    )


def test_a_run_that_nobody_knows_is_refused(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    assert 4 == run_command(["summary", "nope"])

    assert "nope" in capsys.readouterr().err
