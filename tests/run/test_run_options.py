"""How a run is to be done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pulseq.ownership import default_home
from pulseq.run.run_options import RunOptions, new_run_id


def test_state_lives_where_pulseq_home_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "state"))

    assert default_home() == tmp_path / "state"


@pytest.mark.parametrize("value", ["", None])
def test_state_lives_in_the_working_directory_where_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULSEQ_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("PULSEQ_HOME", value)

    assert default_home() == tmp_path / ".pulseq"


def test_a_run_id_is_a_time_and_some_chance() -> None:
    first, second = new_run_id(), new_run_id()

    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{6}", first)
    assert first != second


def test_a_runs_files_are_in_a_directory_of_its_own(tmp_path: Path) -> None:
    options = RunOptions(run_id="r1", home=tmp_path)

    assert options.journal_path == tmp_path / "runs" / "r1" / "journal.jsonl"
    assert options.database_path == tmp_path / "results.duckdb"


def test_a_database_that_is_named_is_used(tmp_path: Path) -> None:
    assert RunOptions(home=tmp_path, database=tmp_path / "other.duckdb").database_path == tmp_path / "other.duckdb"
