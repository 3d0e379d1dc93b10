"""What Prefect is told of tests: states, retries, the task itself."""

from __future__ import annotations

import inspect
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace
from prefect import Task
from prefect.client.schemas.objects import State, StateType, TaskRun
from prefect.states import Cancelled, Completed, Crashed, Failed

from pulseq.models import AttemptResult, Reason, Status
from pulseq.orchestration.tasks import TASK_NAME, may_retry, new_task_run, state_of, task_for


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
