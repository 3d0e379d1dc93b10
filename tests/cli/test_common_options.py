"""Where a command looks for stored results."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.cli.common_options import database_path


def test_a_database_that_is_named_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))

    assert tmp_path / "mine.duckdb" == database_path(Path("mine.duckdb"))


def test_else_it_is_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))

    assert tmp_path / "home" / "results.duckdb" == database_path(None)


def test_which_is_in_the_working_directory_where_none_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PULSEQ_HOME", raising=False)

    assert tmp_path / ".pulseq" / "results.duckdb" == database_path(None)
