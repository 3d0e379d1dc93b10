"""Which states of task runs are told, of what Prefect's own engine goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import task_engine
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event
from prefect.events.worker import EventsWorker
from prefect.results import ResultStore
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.states import Pending, Running
from prefect.utilities import engine as prefect_engine

from pulseq.models import AttemptResult, Reason, SimulateBody, Status, TestCase
from pulseq.orchestration import short_running
from pulseq.orchestration.api_access import read_access
from pulseq.orchestration.prefect_run import PrefectRun
from pulseq.orchestration.short_running import HELD_SECONDS, HeldRunning, emit_unless_short, tell_running
from pulseq.orchestration.tasks import new_task_run, task_for
from pulseq.protocol.work import TestWork

NAME = "emit_task_run_state_change_event"
FLOW_RUN = uuid4()
PASSED = AttemptResult("t", 1, "n1", Status.PASSED)
FAILED = AttemptResult("t", 1, "n1", Status.FAILED, reason=Reason.ASSERTION, error="no")


class Body:
    """What a task run does: it takes its seconds and comes to its results, one a try."""

    def __init__(self, seconds: float, *results: AttemptResult) -> None:
        self._seconds = seconds
        self._results = list(results)

    async def perform(self, work: object, *, retry: int, task_run: str) -> list[AttemptResult]:
        await asyncio.sleep(self._seconds)
        return [self._results[retry]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Event]]]:
    """`told(body, …)`: the events of task runs of these bodies, one after the other."""

    async def run(bodies: tuple[Body, ...], max_retries: int) -> None:
        flow_run = FlowRun(id=FLOW_RUN, flow_id=uuid4(), name="f")
        context = {"flow_run": flow_run.model_dump(), "result_store": ResultStore().model_dump(exclude_unset=True)}
        entered = await PrefectRun.enter({"flow_run_context": context, "api_access": read_access()})
        test = TestCase(id="t", cwd="/", body=SimulateBody(0.0, Status.PASSED), max_retries=max_retries)
        for body in bodies:
            await entered.perform(TestWork("t", test, 1, max_retries), body, uuid4())
        await entered.leave()

    def tell(*bodies: Body, max_retries: int = 0) -> list[Event]:
        sent.clear()
        asyncio.run(run(bodies, max_retries))
        return list(sent)

    settings: dict[Any, Any] = {
        PREFECT_API_URL: "http://127.0.0.1:9/api",
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    sent: list[Event] = []
    monkeypatch.setattr(EventsWorker, "send", lambda _worker, event: sent.append(event))
    try:
        with temporary_settings(settings):
            yield tell
    finally:
        vars(task_engine)[NAME] = getattr(prefect_engine, NAME)


def names(events: list[Event]) -> list[str]:
    return [event.event.removeprefix("prefect.task-run.") for event in events]


def test_of_a_short_task_run_only_its_end_is_told(told: Callable[..., list[Event]]) -> None:
    (event,) = told(Body(0.0, PASSED))
    assert (names([event]), event.follows) == (["Passed"], None)
    of_run = event.payload["task_run"]
    assert of_run["run_count"] == 1
    assert of_run["start_time"] <= of_run["end_time"]


def test_of_a_long_one_it_is_told_that_it_runs(told: Callable[..., list[Event]]) -> None:
    running, passed = told(Body(HELD_SECONDS * 3, PASSED))
    assert names([running, passed]) == ["Running", "Passed"]
    assert passed.follows == running.id
    assert running.payload["task_run"].get("end_time") is None


def test_what_came_before_a_retry_is_told(told: Callable[..., list[Event]]) -> None:
    events = told(Body(0.0, FAILED, PASSED), max_retries=1)
    assert names(events) == ["Running", "Retrying", "Flaky"]
    assert [event.follows for event in events] == [None, *(event.id for event in events[:-1])]


def test_what_is_held_of_another_flow_run_waits_and_is_told_where_it_belongs(told: Callable[..., list[Event]]) -> None:
    """Two runs share a node, and one leaves it while a test of the other has just begun."""
    variable: ContextVar[str] = ContextVar("variable")
    seen: list[str] = []

    async def main() -> None:
        def begin() -> HeldRunning:
            variable.set("its own")
            task_run = new_task_run(task_for(0, 0.0, None), "t", uuid4(), uuid4())
            held = emit_unless_short(task_run, Pending(), Running())
            assert isinstance(held, HeldRunning)
            return held

        held = copy_context().run(begin)
        tell_running(uuid4())
        assert held in HeldRunning.waiting
        with pytest.MonkeyPatch.context() as patch:
            note = lambda *_, **__: seen.append(variable.get("the node's"))  # noqa: E731
            patch.setattr(short_running, NAME, note)
            assert held.flow_run_id is not None
            tell_running(held.flow_run_id)
        assert held not in HeldRunning.waiting

    asyncio.run(main())
    assert seen == ["its own"]


def test_each_has_its_own(told: Callable[..., list[Event]]) -> None:
    events = told(Body(0.0, PASSED), Body(HELD_SECONDS * 3, FAILED), Body(0.0, FAILED))
    assert names(events) == ["Passed", "Running", "Failed", "Failed"]
    ids: list[UUID | str] = [event.resource.id for event in events]
    assert ids[1] == ids[2]
    assert len(set(ids)) == 3


def test_it_stands_where_prefect_has_its_own(told: Callable[..., list[Event]]) -> None:
    told(Body(0.0, PASSED))
    assert vars(task_engine)[NAME] is emit_unless_short
