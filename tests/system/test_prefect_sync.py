"""Journals told to a real Prefect server that missed what they say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Running

from pulseq.errors import InfrastructureError, UsageError
from pulseq.events import AttemptFinished, AttemptStarted, Event, PrefectRunKnown, RunFinished, TestClosed
from pulseq.models import AttemptResult, Reason, Status
from pulseq.orchestration import reconcile
from pulseq.orchestration.flow_run import use_api
from pulseq.orchestration.reconcile import PrefectReport, sync_prefect
from pulseq.results.journal import JournalWriter, journal_path
from pulseq.standing.known_api import known_api


@flow(name="missed")
def _flow() -> None:
    """Only its run is needed."""


@pytest.fixture
def flow_run(prefect_api: str) -> str:
    """A flow run at the server that runs."""

    async def create() -> str:
        async with get_client() as client:
            return str((await client.create_flow_run(_flow, state=Running())).id)

    with use_api(prefect_api):
        return asyncio.run(create())


def _known(api: str, flow_run: str, state_type: str) -> str:
    task_run = str(uuid4())
    body = {"id": task_run, "flow_run_id": flow_run, "state": {"type": state_type}}
    httpx.post(f"{api}/task_runs/", json={**body, "task_key": "t", "dynamic_key": task_run}).raise_for_status()
    return task_run


def _test(
    name: str, task_run: str, status: Status, reason: Reason | None = None, started_at: float = 0.0
) -> list[Event]:
    return [
        AttemptStarted(name, "", 1, "n", task_run),
        AttemptFinished(AttemptResult(name, 1, "n", status, reason=reason, started_at=started_at, duration=2.0)),
        TestClosed(name, "", status, reason, False, 1),
    ]


def _write(home: Path, events: list[Event], run_id: str = "r") -> None:
    with JournalWriter(journal_path(home, run_id)) as journal:
        for event in events:
            journal.append(event)


def _state(api: str, kind: str, run: str) -> tuple[str, str, str]:
    found: dict[str, Any] = httpx.get(f"{api}/{kind}/{run}").raise_for_status().json()
    return found["name"], found["state"]["type"], found["state"]["name"]


def _sync(home: Path, api: str) -> PrefectReport:
    return asyncio.run(sync_prefect(home, api))


def test_what_the_server_missed_is_told_and_what_it_knows_stays(
    tmp_path: Path, prefect_api: str, flow_run: str
) -> None:
    running, failed, unknown = (
        _known(prefect_api, flow_run, "RUNNING"),
        _known(prefect_api, flow_run, "FAILED"),
        str(uuid4()),
    )
    events = [
        PrefectRunKnown(flow_run, None),
        *_test("a", running, Status.PASSED),
        *_test("b", failed, Status.PASSED),
        *_test("c", unknown, Status.FAILED, Reason.ASSERTION),
        RunFinished(2.0, 1.0, 1, "failed"),
    ]
    _write(tmp_path, events)

    report = _sync(tmp_path, prefect_api)

    assert PrefectReport(runs=1, flow_runs=1, task_runs=2) == report
    assert ("COMPLETED", "Passed") == _state(prefect_api, "task_runs", running)[1:]
    assert ("FAILED", "Failed") == _state(prefect_api, "task_runs", failed)[1:]
    assert ("c @ n", "FAILED", "Failed") == _state(prefect_api, "task_runs", unknown)
    assert ("FAILED", "Failed") == _state(prefect_api, "flow_runs", flow_run)[1:]


def test_many_that_the_server_missed_are_told_together(
    tmp_path: Path, prefect_api: str, flow_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [_known(prefect_api, flow_run, "RUNNING") for _ in range(3)]
    unknown = [str(uuid4()) for _ in range(500)]
    bad = unknown[7]
    events: list[Event] = [PrefectRunKnown(flow_run, None)]
    for number, task_run in enumerate([*running, *unknown]):
        reason = Reason.ASSERTION if task_run == bad else None
        events += _test(f"t{number}", task_run, Status.FAILED if reason else Status.PASSED, reason, started_at=1000.0)
    _write(tmp_path, [*events, RunFinished(2.0, 1.0, 1, "failed")])
    one_by_one: list[str] = []
    monkeypatch.setattr(reconcile, "_mend", lambda *_, **__: one_by_one.append("mended"))

    report = _sync(tmp_path, prefect_api)

    assert PrefectReport(runs=1, flow_runs=1, task_runs=503) == report
    assert not one_by_one
    assert ("COMPLETED", "Passed") == _state(prefect_api, "task_runs", running[0])[1:]
    assert ("t10 @ n", "FAILED", "Failed") == _state(prefect_api, "task_runs", bad)
    times = httpx.get(f"{prefect_api}/task_runs/{bad}").raise_for_status().json()
    assert (times["start_time"], times["end_time"]) == ("1970-01-01T00:16:40Z", "1970-01-01T00:16:42Z")
    assert times["total_run_time"] == 2.0


def test_a_killed_driver_ends_as_crashed_with_the_test_that_it_was_at(
    tmp_path: Path, prefect_api: str, flow_run: str
) -> None:
    running = _known(prefect_api, flow_run, "RUNNING")
    _write(tmp_path, [PrefectRunKnown(flow_run, None), AttemptStarted("a", "", 1, "n", running)])

    assert PrefectReport(runs=1, flow_runs=1, task_runs=1) == _sync(tmp_path, prefect_api)
    assert ("CRASHED", "Crashed") == _state(prefect_api, "task_runs", running)[1:]
    assert ("CRASHED", "Crashed") == _state(prefect_api, "flow_runs", flow_run)[1:]


def test_what_was_told_costs_nothing_until_the_run_goes_on(tmp_path: Path, prefect_api: str, flow_run: str) -> None:
    _write(tmp_path, [PrefectRunKnown(flow_run, None), RunFinished(2.0, 1.0, 0, "passed")])
    first, second = _sync(tmp_path, prefect_api), _sync(tmp_path, prefect_api)
    _write(tmp_path, _test("late", str(uuid4()), Status.PASSED))

    assert (1, 0) == (first.runs, second.runs)
    assert PrefectReport(runs=1, task_runs=1) == _sync(tmp_path, prefect_api)


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path, prefect_api: str, flow_run: str) -> None:
    with JournalWriter(journal_path(tmp_path, "r")) as journal:
        journal.append(PrefectRunKnown(flow_run, None))
        journal.commit()

        assert PrefectReport(going_on=1) == _sync(tmp_path, prefect_api)


def test_a_flow_run_of_another_api_is_told_of(tmp_path: Path, prefect_api: str) -> None:
    _write(tmp_path, [PrefectRunKnown(str(uuid4()), None), *_test("a", str(uuid4()), Status.PASSED)])

    assert PrefectReport(runs=1, unknown=1) == _sync(tmp_path, prefect_api)


def test_an_api_that_does_not_answer_is_told_of_and_nothing_is_taken_for_told(tmp_path: Path) -> None:
    _write(tmp_path, [PrefectRunKnown(str(uuid4()), None)])

    with pytest.raises(InfrastructureError, match="the Prefect API does not answer as expected"):
        _sync(tmp_path, "http://127.0.0.1:9/api")

    assert ["journal.jsonl"] == [path.name for path in (tmp_path / "runs" / "r").iterdir()]


def test_where_there_is_no_api_the_command_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match="found no Prefect API"):
        known_api(tmp_path)
