"""Tests that had no attempt, as Prefect's server makes task runs of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from pulseq.models import Reason
from pulseq.orchestration import unstarted
from pulseq.orchestration.missed_states import event_of
from pulseq.orchestration.unstarted import UnstartedTest, failed_task_run, tell_unstarted

if TYPE_CHECKING:  # a server takes a second to load, for which the collection of all tests does not wait
    from prefect.server.events.schemas.events import ReceivedEvent

FLOW_RUN = "0f4a3c1e-9b52-4f0e-8a57-0c6f3c7d5a11"


def _test(reason: Reason = Reason.UNSATISFIABLE, why: str = "no node fits") -> UnstartedTest:
    return UnstartedTest(str(uuid4()), "cart @ no node, high", reason, why, 1_700_000_000.0)


def _received(test: UnstartedTest) -> ReceivedEvent:
    from prefect.server.events.schemas.events import ReceivedEvent

    event = event_of(failed_task_run(test), FLOW_RUN)
    return ReceivedEvent.model_validate({**event, "received": datetime.now(UTC)})


@pytest.mark.parametrize(
    ("reason", "name"),
    [(Reason.UNSATISFIABLE, "Unsatisfiable"), (Reason.SETUP, "SetupError"), (Reason.INTERNAL, "Failed")],
)
def test_the_server_makes_a_failed_task_run_of_it(reason: Reason, name: str) -> None:
    from prefect.server.services.task_run_recorder import task_run_from_event

    task_run = task_run_from_event(_received(_test(reason)))

    assert ("cart @ no node, high", FLOW_RUN) == (task_run.name, str(task_run.flow_run_id))
    assert task_run.state is not None
    assert ("FAILED", name, "no node fits") == (
        task_run.state.type.value,
        task_run.state.name,
        task_run.state.message,
    )
    assert task_run.start_time == task_run.end_time == datetime.fromtimestamp(1_700_000_000, UTC)


def test_hostile_words_make_one_that_it_takes() -> None:
    event = _received(_test(why="\ud800" * 1_000_000))

    assert len(event.model_dump_json()) < 20_000


def test_many_are_told_in_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[int] = []

    async def tell(events: list[dict[str, Any]]) -> None:
        requests.append(len(events))

    monkeypatch.setattr(unstarted, "tell_events", tell)
    asyncio.run(tell_unstarted(str(uuid4()), [_test()] * 250))

    assert [100, 100, 50] == requests
