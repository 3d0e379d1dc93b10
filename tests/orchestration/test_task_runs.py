"""Task runs as a node makes them: Prefect's own engine, whose states go home and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import task, task_engine
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.states import Completed
from prefect.utilities import engine as prefect_engine

from pulseq.models import AttemptResult, Reason, SimulateBody, Status, TestCase
from pulseq.orchestration.quiet_settings import NO_API
from pulseq.orchestration.task_runs import TaskRuns
from pulseq.protocol.from_node import TaskRunState
from pulseq.protocol.work import TestWork

NAME = "emit_task_run_state_change_event"
PASSED = AttemptResult("t", 1, "n1", Status.PASSED)
FAILED = AttemptResult("t", 1, "n1", Status.FAILED, reason=Reason.ASSERTION, error="no")
SETTINGS: dict[Any, Any] = {
    PREFECT_API_URL: NO_API,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
    PREFECT_LOGGING_TO_API_ENABLED: False,
}


class Body:
    """What a task run does: it comes to its results, one a try."""

    def __init__(self, *results: AttemptResult) -> None:
        self._results = list(results)

    async def perform(self, work: object, *, retry: int, task_run: str) -> list[AttemptResult]:
        return [self._results[retry]]


@pytest.fixture(autouse=True)
def engine_as_it_was() -> Iterator[None]:
    """Prefect's engine in this process, and where nobody is to be asked: no API."""
    with temporary_settings(SETTINGS):
        yield
    vars(task_engine)[NAME] = getattr(prefect_engine, NAME)


def _states(*bodies: Body, max_retries: int = 0, delay: float = 0.0) -> list[TaskRunState]:
    told: list[TaskRunState] = []

    async def run() -> None:
        task_runs = TaskRuns(told.append)
        await asyncio.gather(task_runs.open(), task_runs.open())
        test = TestCase("t", SimulateBody(), max_retries=max_retries, retry_delay_seconds=delay)
        for body in bodies:
            await task_runs.perform(TestWork("t @ n1", test, 1, max_retries), body, uuid4())
        await task_runs.close()

    asyncio.run(run())
    return told


def test_each_state_of_a_task_run_comes_home_with_its_times() -> None:
    running, passed = _states(Body(PASSED))

    assert ("RUNNING", "Running", ("PENDING", "Pending")) == (running.state_type, running.state, running.before)
    assert ("COMPLETED", "Passed", ("RUNNING", "Running")) == (passed.state_type, passed.state, passed.before)
    assert (running.id, "t @ n1", 1) == (passed.id, passed.name, passed.run_count)
    assert running.ended_at is None
    assert passed.started_at is not None
    assert passed.ended_at is not None
    assert running.at == passed.started_at <= passed.ended_at == passed.at
    assert passed.run_seconds == pytest.approx(passed.ended_at - passed.started_at, abs=1e-3)


def test_what_came_before_a_retry_comes_home_too() -> None:
    states = _states(Body(FAILED, PASSED), max_retries=1)

    assert [("Running", 1), ("Retrying", 2), ("Flaky", 2)] == [(one.state, one.run_count) for one in states]
    assert {1} == {one.retries for one in states}


def test_one_that_waits_for_its_retry_says_when_that_is() -> None:
    _, waiting, retrying, _ = _states(Body(FAILED, PASSED), max_retries=1, delay=0.2)

    assert ("AwaitingRetry", "Retrying", 0.2) == (waiting.state, retrying.state, waiting.retry_seconds)
    assert waiting.scheduled_at is not None
    assert waiting.at < waiting.scheduled_at <= retrying.at


def test_each_task_run_has_its_own_states() -> None:
    states = _states(Body(PASSED), Body(FAILED))
    ids: list[UUID] = [one.id for one in states]

    assert (ids[0], ids[2]) == (ids[1], ids[3])
    assert 2 == len(set(ids))
    assert 4 == len({one.state_id for one in states})


def test_a_node_that_was_started_by_others_asks_no_api_either() -> None:
    """Without these settings Prefect's client would start a server, or ask one for its version."""
    with temporary_settings(restore_defaults=set(SETTINGS)):
        assert ["Running", "Passed"] == [one.state for one in _states(Body(PASSED))]


def test_nothing_of_it_is_seen_outside() -> None:
    _states(Body(PASSED))

    assert FlowRunContext.get() is None


def test_task_runs_of_others_in_this_process_are_told_as_prefect_does(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(EventsWorker, "send", lambda _worker, event: sent.append(event.event))

    @task(persist_result=False, result_storage=None)
    async def others() -> State[Any]:
        return Completed(message="done")

    async def run() -> list[TaskRunState]:
        told: list[TaskRunState] = []
        task_runs = TaskRuns(told.append)
        await task_runs.open()
        context = task_runs._context.run(FlowRunContext.get)
        assert context is not None
        with context.model_copy():
            await others()
        await task_runs.close()
        return told

    assert [] == asyncio.run(run())
    assert [f"prefect.task-run.{name}" for name in ("Pending", "Running", "Completed")] == sent
