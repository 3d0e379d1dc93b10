"""States that are told as events, as Prefect's server records them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from prefect.states import Completed, Crashed, Failed

from pulseq.models import Reason
from pulseq.orchestration.run_events import flow_run_resource
from pulseq.orchestration.task_run_events import event_of, failed_at_once, final_state
from pulseq.protocol.from_node import TaskRunState

if TYPE_CHECKING:  # a server takes a second to load, for which the collection of all tests does not wait
    from prefect.server.events.schemas.events import ReceivedEvent
    from prefect.server.schemas.core import TaskRun

FLOW_RUN = "0f4a3c1e-9b52-4f0e-8a57-0c6f3c7d5a11"


def _received(state: TaskRunState) -> ReceivedEvent:
    from prefect.server.events.schemas.events import ReceivedEvent

    event = event_of(state, [flow_run_resource(FLOW_RUN)])
    return ReceivedEvent.model_validate({**event, "received": datetime.now(UTC)})


def _recorded(state: TaskRunState) -> TaskRun:
    from prefect.server.services.task_run_recorder import task_run_from_event

    return task_run_from_event(_received(state))


def test_a_state_is_recorded_with_its_task_run_and_its_times() -> None:
    id = uuid4()

    task_run = _recorded(final_state(id, "cart @ node1", Failed(message="no"), 1_000.0, 1_002.0))

    assert (id, FLOW_RUN, "cart @ node1") == (task_run.id, str(task_run.flow_run_id), task_run.name)
    assert task_run.state is not None
    assert ("FAILED", "no") == (task_run.state.type.value, task_run.state.message)
    assert (1_000.0, 1_002.0) == tuple(at and at.timestamp() for at in (task_run.start_time, task_run.end_time))
    assert 2.0 == task_run.total_run_time.total_seconds()


def test_a_state_whose_times_nobody_knows_is_recorded_without_them() -> None:
    task_run = _recorded(final_state(uuid4(), "cart", Crashed(name="NodeLost", message="gone")))

    assert task_run.state is not None
    assert ("NodeLost", None, None) == (task_run.state.name, task_run.start_time, task_run.end_time)


def test_one_that_waits_for_its_retry_is_recorded_with_the_time_and_its_limits() -> None:
    at = 1_700_000_000.0
    state = TaskRunState(
        uuid4(),
        "t",
        uuid4(),
        "SCHEDULED",
        "AwaitingRetry",
        "",
        at,
        1,
        scheduled_at=at + 5,
        retries=2,
        retry_seconds=5.0,
    )

    task_run = _recorded(state)

    assert task_run.state is not None
    assert task_run.state.state_details.scheduled_time == datetime.fromtimestamp(at + 5, UTC)
    assert (2, 5.0, 1) == (task_run.empirical_policy.retries, task_run.empirical_policy.retry_delay, task_run.run_count)


def test_automations_see_what_prefects_own_engine_would_have_them_see() -> None:
    event = _received(final_state(uuid4(), "cart", Completed(name="Passed")))

    assert ("prefect.task-run.Passed", "COMPLETED") == (event.event, event.resource["prefect.state-type"])
    assert ("client", "RUNNING") == (event.resource["prefect.orchestration"], event.payload["initial_state"]["type"])
    assert {"from": "RUNNING", "to": "COMPLETED"} == event.payload["intended"]
    assert FLOW_RUN in event.related[0].id


@pytest.mark.parametrize(
    ("reason", "name"),
    [(Reason.UNSATISFIABLE, "Unsatisfiable"), (Reason.SETUP, "SetupError"), (Reason.INTERNAL, "Failed")],
)
def test_a_test_without_an_attempt_is_a_failed_task_run(reason: Reason, name: str) -> None:
    at = 1_700_000_000.0

    task_run = _recorded(failed_at_once(uuid4(), "cart @ no node, high", reason, "no node fits", at))

    assert task_run.state is not None
    expected = ("FAILED", name, "no node fits")
    assert expected == (task_run.state.type.value, task_run.state.name, task_run.state.message)
    assert task_run.start_time == task_run.end_time == datetime.fromtimestamp(at, UTC)


def test_hostile_words_make_one_that_the_server_takes() -> None:
    event = _received(failed_at_once(uuid4(), "\ud800" * 1_000_000, Reason.INTERNAL, "\ud800" * 1_000_000, 1.0))

    assert len(event.model_dump_json()) < 30_000
