"""What an API is told when a run is over, and when; a real one is told in tests/system/test_prefect_sync."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pulseq.errors import InfrastructureError
from pulseq.models import AttemptResult, Reason, Status
from pulseq.orchestration import reconcile
from pulseq.orchestration.api_client import Recorded
from pulseq.orchestration.delivery import Delivery
from pulseq.orchestration.reconcile import BEHIND_SECONDS, Reconciler, state_told_by
from pulseq.protocol.from_node import TaskRunState
from pulseq.results.flow_runs import TaskRunStory


def _result(status: Status, reason: Reason | None = None) -> AttemptResult:
    return AttemptResult("a", 1, "n", status, reason=reason)


@pytest.mark.parametrize(
    ("result", "name", "type_"),
    [
        (_result(Status.PASSED), "Passed", "COMPLETED"),
        (_result(Status.SKIPPED, Reason.SKIP), "Skipped", "COMPLETED"),
        (_result(Status.FAILED, Reason.ASSERTION), "Failed", "FAILED"),
        (_result(Status.ERROR, Reason.TIMEOUT), "TimedOut", "FAILED"),
        (_result(Status.ERROR, Reason.CANCELLED), "Cancelled", "CANCELLED"),
        (_result(Status.ERROR, Reason.NODE_LOST), "NodeLost", "CRASHED"),
        (None, "Crashed", "CRASHED"),
    ],
)
def test_the_state_is_the_one_that_the_node_would_have_told(
    result: AttemptResult | None, name: str, type_: str
) -> None:
    state = state_told_by(TaskRunStory("t", {("a", ""): result}))

    assert (name, type_) == (state.name, state.type.value)


def test_a_test_that_passed_after_a_failure_is_flaky() -> None:
    assert "Flaky" == state_told_by(TaskRunStory("t", {("a", ""): _result(Status.PASSED)}, retried=True)).name


class _Api:
    """An API that has not recorded `missing` task runs, and says so, or is not there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.missing, self.stalled, self.gone = 0, True, False
        self.patience = 0.0
        self.asked: list[str] = []
        for name in ("wait_until_recorded", "mend_run"):
            monkeypatch.setattr(reconcile, name, getattr(self, name))

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


class _Delivery(Delivery):
    """So many task runs have ended, and all was delivered, or never is."""

    def __init__(self, ended: int, *, delivers: bool) -> None:
        super().__init__()
        self.ended = ended
        self._delivers = delivers

    async def all_told(self, patience_seconds: float) -> bool:
        if not self._delivers:
            await asyncio.get_running_loop().create_future()
        return True


def _settle(
    path: Path,
    *,
    passing: bool = False,
    task_runs: int = 5,
    troubled: bool = False,
    away: bool = False,
    nodes_lost: bool = False,
    stop: bool = False,
    delivers: bool = True,
    unended: int = 0,
    away_until: str | None = None,
) -> list[str]:
    """The notes of a run that ends so."""
    notes: list[str] = []

    async def commit() -> None:
        """The journal of no run has nothing to be written."""

    async def settle() -> None:
        stopped = asyncio.Event()
        if stop:
            stopped.set()
        delivery = _Delivery(task_runs, delivers=delivers)
        delivery.troubled = troubled
        for _ in range(unended):
            delivery.put(TaskRunState(uuid4(), "t", uuid4(), "RUNNING", "Running", "", 1.0, 1))
        reconciler = Reconciler(
            "http://127.0.0.1:9/api",
            delivery,
            path / "journal.jsonl",
            passing=passing,
            stopped=stopped,
            note=notes.append,
        )
        reconciler._watch.troubled = away or away_until is not None
        if away_until is not None:
            reconciler._watch.there.clear()
            decided = getattr(reconciler._watch, away_until)
            asyncio.get_running_loop().call_later(0.01, decided.set)
        await reconciler.settle("flow", nodes_lost=nodes_lost, commit=commit)
        assert reconciler.left is (away_until == "gone")

    asyncio.run(settle())
    return notes


def test_a_run_whose_api_was_there_all_the_time_waits_for_nothing(api: _Api, tmp_path: Path) -> None:
    assert ([], []) == (_settle(tmp_path), api.asked)


def test_a_server_that_ends_with_the_run_is_waited_for(api: _Api, tmp_path: Path) -> None:
    assert ([], ["wait"]) == (_settle(tmp_path, passing=True), api.asked)


def test_many_task_runs_are_no_reason_to_wait_for_one_that_goes_on(api: _Api, tmp_path: Path) -> None:
    assert ([], []) == (_settle(tmp_path, task_runs=100_000), api.asked)


@pytest.mark.parametrize("missing", [0, 2])
@pytest.mark.parametrize("how", ["troubled", "away"])
def test_what_an_api_that_was_away_may_have_missed_is_told_whatever_it_counts(
    api: _Api, tmp_path: Path, missing: int, how: str
) -> None:
    api.missing = missing

    assert ([], ["wait", "mend"]) == (_settle(tmp_path, **{how: True}), api.asked)


@pytest.mark.parametrize(("stop", "asked", "notes"), [(False, ["wait", "mend"], 0), (True, ["wait"], 1)])
def test_a_task_run_that_nobody_has_ended_is_looked_for(
    api: _Api, tmp_path: Path, stop: bool, asked: list[str], notes: int
) -> None:
    """Its node is frozen, say, and whoever stopped the run does not wait for it."""
    api.missing = 1

    assert notes == len(_settle(tmp_path, unended=1, stop=stop))
    assert asked == api.asked


def test_what_went_down_with_all_nodes_is_told_from_the_journal(api: _Api, tmp_path: Path) -> None:
    assert ([], ["wait", "mend"]) == (_settle(tmp_path, nodes_lost=True), api.asked)


def test_what_cannot_be_told_is_said_in_one_line_with_what_to_do(api: _Api, tmp_path: Path) -> None:
    api.gone = True

    expected = (
        "Prefect could not be told how task runs of this run ended (5 in all): "
        "`pulseq results sync --prefect` finishes it"
    )
    assert [expected] == _settle(tmp_path, troubled=True)


@pytest.mark.parametrize("delivers", [True, False])
def test_an_api_that_is_gone_is_not_waited_for(api: _Api, tmp_path: Path, delivers: bool) -> None:
    notes = _settle(tmp_path, away_until="gone", delivers=delivers)

    assert ["Prefect could not be told how task runs"] == [note[:39] for note in notes]
    assert [] == api.asked


def test_an_api_that_only_restarts_is_waited_for_and_told(api: _Api, tmp_path: Path) -> None:
    assert ([], ["wait", "mend"]) == (_settle(tmp_path, away_until="there"), api.asked)


BEHIND = (
    "Prefect has not recorded yet how 7 task runs of this run ended: "
    "`pulseq results sync --prefect` tells it what it may lose of that"
)


def test_a_server_that_goes_on_and_is_only_behind_is_not_waited_for_long(api: _Api, tmp_path: Path) -> None:
    api.missing, api.stalled = 7, False

    assert [BEHIND] == _settle(tmp_path, task_runs=100_000, troubled=True)
    assert (["wait"], BEHIND_SECONDS) == (api.asked, api.patience)


def test_a_server_that_ends_with_the_run_gets_the_time_it_needs(api: _Api, tmp_path: Path) -> None:
    api.missing, api.stalled = 7, False

    assert [] == _settle(tmp_path, task_runs=100_000, passing=True)
    assert ["wait", "mend"] == api.asked
    assert api.patience > 100_000 * 0.01


def test_who_stops_a_run_does_not_wait_for_prefect(api: _Api, tmp_path: Path) -> None:
    api.missing = 7

    assert [BEHIND] == _settle(tmp_path, task_runs=100_000, passing=True, stop=True)
    assert ["wait"] == api.asked


def test_who_stops_a_run_waits_no_longer_for_what_is_not_delivered(api: _Api, tmp_path: Path) -> None:
    assert ([BEHIND.replace("7", "some")], []) == (_settle(tmp_path, stop=True, delivers=False), api.asked)
