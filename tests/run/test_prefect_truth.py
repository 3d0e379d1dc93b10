"""When the end of a run waits for Prefect, and what it says; the API is a double here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import InfrastructureError
from pulseq.orchestration.api_client import Recorded
from pulseq.run import prefect_truth
from pulseq.run.event_log import EventLog
from pulseq.run.prefect_truth import BEHIND_SECONDS, MANY_TASK_RUNS, PrefectTruth


class _Api:
    """An API that has not recorded `missing` task runs, and says so, or is not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.missing, self.stalled, self.gone = 0, True, False
        self.patience = 0.0
        self.asked: list[str] = []
        for name in ("end_orphans", "wait_until_recorded", "mend_run"):
            monkeypatch.setattr(prefect_truth, name, getattr(self, name))

    async def end_orphans(self, *_: Any, patience_seconds: float = 1.0) -> None:
        self.asked.append("end orphans" if patience_seconds else "end orphans at once")

    async def wait_until_recorded(self, *_: Any, patience_seconds: float, **__: Any) -> Recorded:
        self.asked.append("wait")
        self.patience = patience_seconds
        if self.gone:
            raise InfrastructureError("nobody answers")
        return Recorded(self.missing, self.stalled)

    async def mend_run(self, *_: Any) -> int:
        self.asked.append("mend")
        return self.missing


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> _Api:
    return _Api(monkeypatch)


def _settle(
    path: Path,
    *,
    passing: bool = False,
    task_runs: int = 5,
    troubled: bool = False,
    nodes_lost: bool = False,
    stop: bool = False,
) -> list[str]:
    """The notes of a run that ends so."""

    async def settle() -> list[str]:
        log = EventLog(path / "journal.jsonl", [], lambda error: None)
        stopped = asyncio.Event()
        truth = PrefectTruth("http://127.0.0.1:9/api", path / "journal.jsonl", log, passing=passing, stopped=stopped)
        if stop:
            stopped.set()
        truth._watch.troubled = troubled
        await truth.settle("flow", task_runs, [], nodes_lost=nodes_lost)
        log.close()
        return log.record.notes

    return asyncio.run(settle())


def test_a_run_whose_api_was_there_all_the_time_waits_for_nothing(api: _Api, tmp_path: Path) -> None:
    assert ([], ["end orphans"]) == (_settle(tmp_path), api.asked)


@pytest.mark.parametrize("reason", [{"passing": True}, {"task_runs": MANY_TASK_RUNS}])
def test_a_run_waits_where_there_is_reason_to(api: _Api, tmp_path: Path, reason: dict[str, Any]) -> None:
    assert ([], ["end orphans", "wait"]) == (_settle(tmp_path, **reason), api.asked)


@pytest.mark.parametrize("missing", [0, 2])
def test_what_an_api_that_was_away_may_have_missed_is_told_whatever_it_counts(
    api: _Api, tmp_path: Path, missing: int
) -> None:
    api.missing = missing

    assert ([], ["end orphans", "wait", "mend"]) == (_settle(tmp_path, troubled=True), api.asked)


def test_what_went_down_with_all_nodes_is_told_from_the_journal(api: _Api, tmp_path: Path) -> None:
    assert ([], ["end orphans", "wait", "mend"]) == (_settle(tmp_path, nodes_lost=True), api.asked)


def test_what_cannot_be_told_is_said_in_one_line_with_what_to_do(api: _Api, tmp_path: Path) -> None:
    api.gone = True

    expected = (
        "Prefect could not be told how task runs of this run ended (5 in all): "
        "`pulseq results sync --prefect` finishes it"
    )
    assert [expected] == _settle(tmp_path, troubled=True)


BEHIND = (
    "Prefect has not recorded yet how 7 task runs of this run ended: "
    "`pulseq results sync --prefect` tells it what it may lose of that"
)


def test_a_server_that_goes_on_and_is_only_behind_is_not_waited_for_long(api: _Api, tmp_path: Path) -> None:
    api.missing, api.stalled = 7, False

    assert [BEHIND] == _settle(tmp_path, task_runs=100_000)
    assert (["end orphans", "wait"], BEHIND_SECONDS) == (api.asked, api.patience)


def test_a_server_that_ends_with_the_run_gets_the_time_it_needs(api: _Api, tmp_path: Path) -> None:
    api.missing, api.stalled = 7, False

    assert [] == _settle(tmp_path, task_runs=100_000, passing=True)
    assert ["end orphans", "wait", "mend"] == api.asked
    assert api.patience > 100_000 * 0.01


@pytest.mark.parametrize("passing", [True, False])
def test_who_stops_a_run_does_not_wait_for_prefect(api: _Api, tmp_path: Path, passing: bool) -> None:
    api.missing = 7

    assert [BEHIND] == _settle(tmp_path, task_runs=100_000, passing=passing, stop=True)
    assert ["end orphans at once", "wait"] == api.asked
