"""Silence of what is not ours, and what becomes of a report that fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.cli import execute
from pulseq.errors import ExitCode
from pulseq.events import RunStarted
from pulseq.fleet import Fleet
from pulseq.models import Suite
from pulseq.records import RunRecord
from pulseq.reports import html, json_output, junit, summary
from pulseq.results.journal import JournalWriter
from pulseq.run.run_options import RunOptions
from pulseq.run.run_session import RunOutcome


def test_what_somebody_has_set_for_prefect_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    execute.silence_prefect()

    assert (os.environ["PREFECT_LOGGING_LEVEL"], os.environ["DO_NOT_TRACK"]) == ("DEBUG", "1")


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """The options of a run that has just ended, with a test that failed."""
    options = RunOptions(run_id="r", home=tmp_path)
    started = RunStarted("r", "shop", 1.0, "0")
    with JournalWriter(options.journal_path) as journal:
        journal.append(started)
    record = RunRecord()
    record.apply(started)
    outcome = RunOutcome(ExitCode.TESTS_FAILED, record, stored=True)
    monkeypatch.setattr(execute, "_run", lambda *_: outcome)
    return options


def fail(*_: Any, **__: Any) -> None:
    raise KeyError("its own")


def run(options: RunOptions, **reports: Any) -> int:
    suite, fleet = Suite("shop", ()), Fleet((), SimpleNamespace(persist_results=True))
    return execute.execute(suite, fleet, options, execute.Reports(**reports))


@pytest.mark.parametrize(("lost", "module"), [("junit", junit), ("html", html)])
def test_a_report_that_fails_leaves_the_other_and_the_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ended: RunOptions,
    lost: str,
    module: Any,
) -> None:
    monkeypatch.setattr(module, f"write_{lost}", fail)
    paths = {"junit": tmp_path / "junit.xml", "html": tmp_path / "page.html"}

    assert run(ended, junitxml=paths["junit"], html=paths["html"]) == 1

    assert {name for name, path in paths.items() if path.stat().st_size} == {"junit", "html"} - {lost}
    assert capsys.readouterr().err.count("a report cannot be written: KeyError('its own')") == 1


@pytest.mark.parametrize(
    ("output", "module", "name"), [("text", summary, "render_summary"), ("json", json_output, "describe_run")]
)
def test_a_summary_that_fails_leaves_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ended: RunOptions,
    output: str,
    module: Any,
    name: str,
) -> None:
    monkeypatch.setattr(module, name, fail)

    assert run(ended, output=output) == 1

    told = capsys.readouterr().err
    assert told.count("what tells the end of the run has failed (KeyError('its own'))") == 1


def test_a_run_told_as_json_is_one_object(capsys: pytest.CaptureFixture[str], ended: RunOptions) -> None:
    run(ended, output="json")

    assert json.loads(capsys.readouterr().out)["run_id"] == "r"
