"""What the daily maintenance does, and how it says so."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prefect.exceptions import ParameterTypeError

from flows.maintain_results import maintain, maintain_results
from pulseq.events import RunFinished, RunStarted
from pulseq.results.journal import JournalWriter, journal_path


def _write_run(home: Path, run_id: str, *, days_ago: float) -> Path:
    at = time.time() - days_ago * 86_400
    path = journal_path(home, run_id)
    with JournalWriter(path) as writer:
        writer.append(RunStarted(run_id, "shop", at, "0.1"))
        writer.append(RunFinished(at, 1.0, 0, "passed"))
    return path


def test_journals_come_into_the_database_and_old_ones_are_packed(tmp_path: Path) -> None:
    old = _write_run(tmp_path, "old", days_ago=40)
    young = _write_run(tmp_path, "young", days_ago=3)

    told = maintain(tmp_path, 30)

    assert "2 runs, 4 new events; 1 journal packed, 0.0 MB freed" == told
    assert (False, True) == (old.exists(), young.exists())


def test_zero_days_pack_none(tmp_path: Path) -> None:
    old = _write_run(tmp_path, "old", days_ago=4000)

    assert "1 run, 2 new events" == maintain(tmp_path, 0)
    assert old.exists()


def test_days_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ParameterTypeError):
        maintain_results.validate_parameters({"keep_days": -1})


def test_the_parameter_says_what_it_is_for() -> None:
    assert "0 packs none" in maintain_results.parameters.properties["keep_days"]["description"]
