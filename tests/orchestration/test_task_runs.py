"""Task runs as a node makes them: Prefect's own engine, whose states go home and to nobody else."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace
from prefect import Task, task, task_engine
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.context import FlowRunContext
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.states import Cancelled, Completed, Crashed, Failed
from prefect.utilities import engine as prefect_engine

from pulseq.models import AttemptResult, Reason, SimulateBody, Status, TestCase
from pulseq.orchestration.quiet_settings import NO_API
from pulseq.orchestration.task_runs import TASK_NAME, TaskRuns, may_retry, new_task_run, state_of, task_for
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

    async def perform(self, retry: int, _task_run: str) -> list[AttemptResult]:
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
            await task_runs.perform(TestWork("t @ n1", test, 1, max_retries), body.perform, uuid4())
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


def result(status: Status, reason: Reason | None = None, error: str | None = None, name: str = "t") -> AttemptResult:
    return AttemptResult(name, 2, "n1", status, reason=reason, error=error)


@pytest.mark.parametrize(
    ("status", "reason", "kind", "name"),
    [
        (Status.PASSED, None, StateType.COMPLETED, "Passed"),
        (Status.SKIPPED, Reason.SKIP, StateType.COMPLETED, "Skipped"),
        (Status.SKIPPED, Reason.XFAIL, StateType.COMPLETED, "Skipped"),
        (Status.FAILED, Reason.ASSERTION, StateType.FAILED, "Failed"),
        (Status.FAILED, Reason.EXIT_CODE, StateType.FAILED, "Failed"),
        (Status.ERROR, Reason.EXCEPTION, StateType.FAILED, "Failed"),
        (Status.ERROR, Reason.TIMEOUT, StateType.FAILED, "TimedOut"),
        (Status.ERROR, Reason.CRASH, StateType.FAILED, "BodyCrashed"),
        (Status.ERROR, Reason.SETUP, StateType.FAILED, "SetupError"),
        (Status.ERROR, Reason.MEMORY, StateType.FAILED, "OutOfMemory"),
        (Status.ERROR, Reason.NODE_LOST, StateType.CRASHED, "NodeLost"),
        (Status.ERROR, Reason.CANCELLED, StateType.CANCELLED, "Cancelled"),
    ],
)
def test_a_verdict_has_its_state(status: Status, reason: Reason | None, kind: StateType, name: str) -> None:
    state = state_of([result(status, reason)])
    assert (state.type, state.name) == (kind, name)


def test_a_states_message_is_one_line_with_the_last_of_the_error() -> None:
    error = "Traceback\n  File x\nValueError: 7\n"
    state = state_of([result(Status.ERROR, Reason.EXCEPTION, error)])
    assert state.message == "attempt 2 on n1: error (exception) ValueError: 7"


@pytest.mark.parametrize(
    ("reason", "error", "said"),
    [
        (Reason.EXIT_CODE, "exit code 3; its last output:\nit hurts\n", "exit code 3: it hurts"),
        (
            Reason.CRASH,
            "ended by signal 11 (SIGSEGV); its last output:\nsaving",
            "ended by signal 11 (SIGSEGV): saving",
        ),
        (Reason.EXIT_CODE, "", ""),
        (Reason.ASSERTION, "def test():\n>   assert 1\nE   assert 4 == 5\nE    + where\n\na.py:3", "assert 4 == 5"),
    ],
)
def test_the_line_that_says_most_is_told(reason: Reason, error: str, said: str) -> None:
    message = state_of([result(Status.FAILED, reason, error)]).message
    assert message == f"attempt 2 on n1: failed ({reason}) {said}".rstrip()


def test_a_test_that_passes_after_it_has_failed_is_flaky() -> None:
    state = state_of([result(Status.PASSED)], retried=True)
    assert (state.type, state.name) == (StateType.COMPLETED, "Flaky")


def test_a_long_last_line_is_cut() -> None:
    state = state_of([result(Status.FAILED, Reason.ASSERTION, "x" * 5000)])
    assert state.message == f"attempt 2 on n1: failed (assertion) {'x' * 199}…"


def test_a_pack_that_passed_tells_how_many() -> None:
    state = state_of([result(Status.PASSED), result(Status.SKIPPED, Reason.SKIP)])
    assert (state.type, state.name, state.message) == (StateType.COMPLETED, "Passed", "2 tests")


def test_a_pack_of_which_a_part_ran_elsewhere_tells_how_many_ran_here() -> None:
    state = state_of([result(Status.PASSED)], planned=3)
    assert (state.name, state.message) == ("Passed", "1 of 3 tests; the others did not begin here")


def test_a_pack_that_failed_names_the_first() -> None:
    results = [result(Status.PASSED), *(result(Status.FAILED, Reason.ASSERTION, name=name) for name in "ab")]
    state = state_of(results)
    assert (state.type, state.message) == (StateType.FAILED, "2 of 3 tests failed: a")


def test_what_was_stopped_in_a_pack_is_no_failure() -> None:
    cancelled = result(Status.ERROR, Reason.CANCELLED, name="b")
    failed = result(Status.FAILED, Reason.ASSERTION, name="a")
    assert state_of([failed, cancelled, cancelled]).message == "1 of 3 tests failed: a"
    assert state_of([result(Status.PASSED), cancelled]).message == "1 of 2 tests were stopped"


def test_a_task_run_without_a_result_was_stopped() -> None:
    assert state_of([]).type is StateType.CANCELLED


TASK: Task[Any, Any] = task_for(0, 0.0, None)
TASK_RUN = TaskRun(task_key="t", dynamic_key="0")


@pytest.mark.parametrize(
    ("state", "again"),
    [
        (Failed(), True),
        (Failed(name="TimedOut"), True),
        (Crashed(), True),
        (Crashed(name="NodeLost"), False),
        (Cancelled(), False),
        (Completed(), True),
    ],
)
def test_everything_but_what_was_cancelled_or_lost_may_be_tried_again(state: State[Any], again: bool) -> None:
    assert may_retry(TASK, TASK_RUN, state) is again


def test_a_test_that_a_plug_in_has_tried_again_is_flaky() -> None:
    earlier = replace(result(Status.FAILED, Reason.ASSERTION, "no"), rerun=True)
    state = state_of([earlier, result(Status.PASSED)])
    assert ("Flaky", StateType.COMPLETED) == (state.name, state.type)


def test_of_a_pack_in_which_a_plug_in_has_tried_again_the_last_tries_count() -> None:
    earlier = replace(result(Status.FAILED, Reason.ASSERTION, "no"), rerun=True)
    state = state_of([earlier, result(Status.PASSED), result(Status.PASSED)], planned=2)
    assert ("Passed", "2 tests") == (state.name, state.message)


def test_the_retry_condition_is_a_plain_function() -> None:
    assert inspect.isfunction(TASK.retry_condition_fn)


def test_a_task_has_the_limits_that_it_was_asked_for() -> None:
    task = task_for(3, 0.5, 7.0)
    assert (task.name, task.retries, task.retry_delay_seconds, task.timeout_seconds) == (TASK_NAME, 3, 0.5, 7.0)


def test_a_task_neither_keeps_results_nor_logs_what_is_printed() -> None:
    assert (TASK.persist_result, TASK.log_prints, TASK.tags) == (False, False, set())


def test_tasks_with_the_same_limits_are_one() -> None:
    assert task_for(1, 0.0, 5.0) is task_for(1, 0.0, 5.0)
    assert task_for(1, 0.0, 5.0) is not task_for(1, 0.0, 6.0)


def test_a_new_task_run_is_pending_under_its_own_name_and_the_limits_of_its_task() -> None:
    task_run_id = uuid4()
    task_run = new_task_run(task_for(3, 0.5, None), "cart-total", task_run_id)
    assert task_run.state is not None
    details = task_run.state.state_details
    assert (task_run.id, task_run.name) == (task_run_id, "cart-total")
    assert (task_run.state_type, task_run.empirical_policy.retries) == (StateType.PENDING, 3)
    assert details.task_run_id == task_run_id


def test_new_task_runs_of_one_task_differ_in_their_dynamic_key() -> None:
    first, second = (new_task_run(TASK, "t", uuid4()) for _ in range(2))
    assert first.task_key == second.task_key
    assert first.dynamic_key != second.dynamic_key
