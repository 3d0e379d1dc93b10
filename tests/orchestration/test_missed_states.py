"""Final states that are told as events, as Prefect's server records them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from prefect.states import Completed, Crashed, Failed

from pulseq.orchestration import missed_states
from pulseq.orchestration.missed_states import MissedState, event_of, tell_states

if TYPE_CHECKING:  # a server takes a second to load, for which the collection of all tests does not wait
    from prefect.server.schemas.core import TaskRun

FLOW_RUN = "0f4a3c1e-9b52-4f0e-8a57-0c6f3c7d5a11"


def _recorded(missed: MissedState) -> TaskRun:
    from prefect.server.events.schemas.events import ReceivedEvent
    from prefect.server.services.task_run_recorder import task_run_from_event

    event = {**event_of(missed, FLOW_RUN), "received": datetime.now(UTC)}
    return task_run_from_event(ReceivedEvent.model_validate(event))


def test_a_state_is_recorded_with_its_task_run_and_its_times() -> None:
    missed = MissedState(str(uuid4()), "cart @ node1", Failed(message="no"), 1_000.0, 1_002.0)

    task_run = _recorded(missed)

    assert (missed.id, FLOW_RUN, "cart @ node1") == (str(task_run.id), str(task_run.flow_run_id), task_run.name)
    assert task_run.state is not None
    assert ("FAILED", "no") == (task_run.state.type.value, task_run.state.message)
    assert (1_000.0, 1_002.0) == tuple(at and at.timestamp() for at in (task_run.start_time, task_run.end_time))
    assert 2.0 == task_run.total_run_time.total_seconds()


def test_a_state_whose_times_nobody_knows_is_recorded_without_them() -> None:
    task_run = _recorded(MissedState(str(uuid4()), "cart", Crashed(name="NodeLost", message="gone")))

    assert task_run.state is not None
    assert ("NodeLost", None, None) == (task_run.state.name, task_run.start_time, task_run.end_time)


class Api:
    """Takes events, and has as many states missing as it was not told, or as it has lost."""

    def __init__(self, missing: int, *, loses: int = 0) -> None:
        self.missing, self.loses = missing, loses
        self.requests: list[int] = []
        self._client = self

    async def post(self, path: str, json: list[dict[str, Any]]) -> httpx.Response:
        self.requests.append(len(json))
        self.missing -= len(json) - self.loses
        return httpx.Response(204, request=httpx.Request("POST", f"http://api{path}"))

    async def count_missing(self) -> int:
        return self.missing


@pytest.mark.parametrize("loses", [0, 3], ids=["all-recorded", "some-lost"])
def test_many_are_told_in_batches_and_what_is_lost_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, loses: int
) -> None:
    monkeypatch.setattr(missed_states, "_STALL_SECONDS", 0.0)
    missed = [MissedState(str(uuid4()), "cart", Failed()) for _ in range(450)]
    api = Api(len(missed), loses=loses)

    asyncio.run(tell_states(api, FLOW_RUN, missed, api.count_missing))  # type: ignore[arg-type]

    assert [200, 200, 50] == api.requests


class SlowApi:
    """An API that records the events which it took when it is asked, so many at a time."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.waiting: list[str] = []
        self.recorded: list[str] = []
        self.most_waiting = 0
        self._client = self

    async def post(self, path: str, json: list[dict[str, Any]]) -> SlowApi:
        assert path == "/events"
        self.waiting += [event["resource"]["prefect.resource.id"].removeprefix("prefect.task-run.") for event in json]
        self.most_waiting = max(self.most_waiting, len(self.waiting))
        return self

    def raise_for_status(self) -> None:
        """It takes everything."""

    def record(self) -> None:
        self.recorded += self.waiting[: self.at_once]
        del self.waiting[: self.at_once]


def _tell(api: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(missed_states, "_PAUSE_SECONDS", 0.0)
    missed = [MissedState(str(uuid4()), f"t{number}", Completed(name="Passed")) for number in range(count)]

    async def count_missing() -> int:
        api.record()
        return count - len(api.recorded)

    asyncio.run(tell_states(api, FLOW_RUN, missed, count_missing))
    return [one.id for one in missed]


def test_a_recorder_is_never_fed_more_than_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    api = SlowApi(at_once=30)

    told = _tell(api, 1000, monkeypatch)

    assert sorted(api.recorded) == sorted(told)
    assert api.most_waiting <= 400
