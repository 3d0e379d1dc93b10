"""States of task runs as events, as Prefect's server records them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from prefect.states import Crashed, Failed

from pulseq.models import Reason
from pulseq.orchestration.task_run_events import event_of, failed_at_once, final_state, flow_run_resource
from pulseq.protocol.from_node import TaskRunState

if TYPE_CHECKING:  # a server takes a second to load, for which the collection of all tests does not wait
    from prefect.server.schemas.core import TaskRun

FLOW_RUN = "0f4a3c1e-9b52-4f0e-8a57-0c6f3c7d5a11"


@dataclass
class _Recorded:
    """What the server makes of a state."""

    of: TaskRun

    @property
    def state(self) -> tuple[str, str | None, str | None]:
        assert self.of.state is not None
        return self.of.state.type.value, self.of.state.name, self.of.state.message

    @property
    def times(self) -> tuple[float | None, ...]:
        return tuple(at and at.timestamp() for at in (self.of.start_time, self.of.end_time))


def _recorded(told: TaskRunState) -> _Recorded:
    from prefect.server.events.schemas.events import ReceivedEvent
    from prefect.server.services.task_run_recorder import task_run_from_event

    event = {**event_of(told, [flow_run_resource(FLOW_RUN)]), "received": datetime.now(UTC)}
    return _Recorded(task_run_from_event(ReceivedEvent.model_validate(event)))


def test_a_state_is_recorded_with_its_task_run_and_its_times() -> None:
    told = final_state(uuid4(), "cart @ node1", Failed(message="no"), 1_000.0, 1_002.0)

    recorded = _recorded(told)

    assert (told.id, FLOW_RUN, "cart @ node1") == (
        recorded.of.id,
        str(recorded.of.flow_run_id),
        recorded.of.name,
    )
    assert ("FAILED", "Failed", "no") == recorded.state
    assert (1_000.0, 1_002.0) == recorded.times
    assert 2.0 == recorded.of.total_run_time.total_seconds()


def test_a_state_whose_times_nobody_knows_is_recorded_without_them() -> None:
    recorded = _recorded(final_state(uuid4(), "cart", Crashed(name="NodeLost", message="gone")))

    assert ("CRASHED", "NodeLost", "gone") == recorded.state
    assert (None, None) == recorded.times


@pytest.mark.parametrize(
    ("reason", "name"),
    [(Reason.UNSATISFIABLE, "Unsatisfiable"), (Reason.SETUP, "SetupError"), (Reason.INTERNAL, "Failed")],
)
def test_a_test_without_an_attempt_is_a_failed_task_run(reason: Reason, name: str) -> None:
    recorded = _recorded(failed_at_once(uuid4(), "cart @ no node, high", reason, "no node fits", 1_700_000_000.0))

    assert ("FAILED", name, "no node fits") == recorded.state
    assert (1_700_000_000.0, 1_700_000_000.0) == recorded.times


def test_hostile_words_make_one_that_it_takes() -> None:
    recorded = _recorded(failed_at_once(uuid4(), "\ud800" * 1_000, Reason.SETUP, "\ud800" * 1_000_000, 1.0))

    assert len(recorded.of.model_dump_json()) < 20_000
