"""A task on its way to a node."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

import cloudpickle  # type: ignore[import-untyped]
import pytest
from prefect import task
from prefect.client.schemas.objects import State
from prefect.futures import PrefectConcurrentFuture
from prefect.states import Completed

from pulseq.errors import InfrastructureError
from pulseq.orchestration.submitted_task import FlowInTasks, SubmittedTask, state_from

FLOW = FlowInTasks("f", b"{}", b"context")


@task
def add(one: Any, other: Any = 0) -> Any:
    return one + other


def submit(parameters: dict[str, Any], wait_for: list[Any] | None = None) -> SubmittedTask:
    return SubmittedTask.of(add, parameters, wait_for, None, FLOW)


def ended(state: State[Any]) -> PrefectConcurrentFuture[Any]:
    done: Future[Any] = Future()
    done.set_result(state)
    return PrefectConcurrentFuture(uuid4(), done)


def test_it_waits_for_futures_wherever_they_are_among_its_arguments() -> None:
    first, second, third = (ended(Completed()) for _ in range(3))

    assert [first, second, third] == submit({"one": {"in": [first]}, "other": second}, [third]).upstream


def test_it_travels_with_the_states_of_what_it_has_waited_for() -> None:
    state: State[Any] = Completed(data=3)
    submitted = submit({"one": [ended(state)], "other": 4}, [ended(state)])

    context, packed = cloudpickle.loads(submitted.pack())
    _, call = cloudpickle.loads(packed)

    assert (b"context", submitted.id) == (context, call["task_run_id"])
    assert ({"one": [state], "other": 4}, [state]) == (call["parameters"], call["wait_for"])


def test_what_cannot_travel_is_told_with_the_task() -> None:
    with pytest.raises(
        InfrastructureError, match=r"task 'add' cannot be sent to a node: cannot pickle '_thread\.lock'"
    ):
        submit({"one": threading.Lock()}).pack()


def test_an_answer_is_a_state_or_what_kept_it_from_one() -> None:
    assert state_from(cloudpickle.dumps(Completed(message="well"))).message == "well"
    with pytest.raises(InfrastructureError, match="no such module"):
        state_from(cloudpickle.dumps(InfrastructureError("no such module")))
    with pytest.raises(InfrastructureError, match="the result of the task cannot be read here"):
        state_from(b"nothing of ours")
