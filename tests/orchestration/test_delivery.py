"""What an API is told of task runs, in which order, and what is not told; real ones in tests/system."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pulseq.errors import InfrastructureError
from pulseq.orchestration import delivery as module
from pulseq.orchestration.delivery import SHORT_SECONDS, Delivery, sort_out
from pulseq.protocol.from_node import TaskRunState

FLOW_RUN = "0f4a3c1e-9b52-4f0e-8a57-0c6f3c7d5a11"


def state(
    task_run: UUID, name: str, at: float = 0.0, kind: str | None = None, before: tuple[str, str] | None = None
) -> TaskRunState:
    kinds = {"Running": "RUNNING", "Retrying": "RUNNING", "Passed": "COMPLETED", "Failed": "FAILED"}
    return TaskRunState(task_run, "t", uuid4(), kind or kinds[name], name, "", at, 1, before, started_at=at)


class Api:
    """An API that takes events: it refuses as often as `refuses` says, and records all but `behind` of them."""

    def __init__(self) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        self.refuses: list[int] = []
        self.counts: list[int] = []
        self._client = self

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Api]:
        try:
            yield self
        except httpx.HTTPError as error:
            raise InfrastructureError(str(error)) from error

    async def post(self, path: str, *, content: bytes = b"", json: Any = None, headers: Any = None) -> httpx.Response:
        request = httpx.Request("POST", f"http://api{path}")
        if path == "/task_runs/count":
            return httpx.Response(200, json=self.counts.pop(0), request=request)
        if self.refuses:
            answer = httpx.Response(self.refuses.pop(0), request=request)
            answer.raise_for_status()
        self.requests.append(_loads(content))
        return httpx.Response(204, request=request)

    def told(self) -> list[tuple[str, str]]:
        """The id of each task run and its state, as they came."""
        return [
            (event["resource"]["prefect.resource.id"].removeprefix("prefect.task-run."), name)
            for request in self.requests
            for event in request
            if (name := event["resource"]["prefect.state-name"])
        ]


def _loads(content: bytes) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(content)
    return loaded


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()

    async def related(_client: object) -> list[dict[str, str]]:
        return [{"prefect.resource.id": f"prefect.flow-run.{FLOW_RUN}", "prefect.resource.role": "flow-run"}]

    monkeypatch.setattr(module, "open_client", api.open)
    monkeypatch.setattr(module, "_related", related)
    monkeypatch.setattr(module, "_PAUSES", (0.0,))
    monkeypatch.setattr(module, "_ASK_SECONDS", 0.0)
    return api


def deliver(*states: TaskRunState, lost: tuple[UUID, ...] = (), late: tuple[TaskRunState, ...] = ()) -> Delivery:
    async def run() -> Delivery:
        delivery = Delivery()
        for one in states:
            delivery.put(one)
        delivery.lose(lost)
        for one in late:
            delivery.put(one)
        async with delivery.telling(FLOW_RUN):
            assert await delivery.all_told(60)
        return delivery

    return asyncio.run(run())


def test_what_came_before_there_was_an_api_is_told_in_its_order(api: Api) -> None:
    first, second = uuid4(), uuid4()

    delivery = deliver(state(first, "Running"), state(second, "Running"), state(first, "Failed", 5.0))

    assert [(str(first), "Running"), (str(second), "Running"), (str(first), "Failed")] == api.told()
    assert (1, False) == (delivery.ended, delivery.troubled)
    assert [FLOW_RUN] * 3 == [event["related"][0]["prefect.resource.id"][17:] for event in api.requests[0]]


def test_of_what_ended_at_once_only_the_end_is_told(api: Api) -> None:
    short, long = uuid4(), uuid4()

    deliver(
        state(short, "Running", 1.0),
        state(short, "Passed", 1.0 + SHORT_SECONDS / 2),
        state(long, "Running", 1.0),
        state(long, "Passed", 1.0 + SHORT_SECONDS * 2),
    )

    assert [(str(short), "Passed"), (str(long), "Running"), (str(long), "Passed")] == api.told()


def test_what_came_before_a_retry_is_told(api: Api) -> None:
    id = uuid4()

    deliver(state(id, "Running"), state(id, "Retrying", 0.01), state(id, "Passed", 0.02))

    assert ["Running", "Retrying", "Passed"] == [name for _, name in api.told()]


def test_many_go_in_requests_of_a_size_that_an_api_takes(api: Api) -> None:
    deliver(*(state(uuid4(), "Passed") for _ in range(450)))

    assert [200, 200, 50] == [len(request) for request in api.requests]


@pytest.mark.parametrize("code", [500, 503, 429])
def test_an_api_that_cannot_take_them_now_is_told_again(api: Api, code: int) -> None:
    api.refuses = [code, code]
    id = uuid4()

    assert deliver(state(id, "Passed")).troubled
    assert [(str(id), "Passed")] == api.told()


def test_one_that_never_will_does_not_hold_up_the_rest(api: Api) -> None:
    api.refuses = [422]

    assert deliver(*(state(uuid4(), "Passed") for _ in range(201))).troubled
    assert [1] == [len(request) for request in api.requests]


def test_a_server_is_told_as_fast_as_it_records(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNRECORDED", 300)
    api.counts = [50, 150, 400]

    assert not deliver(*(state(uuid4(), "Passed") for _ in range(600))).troubled
    assert ([200, 200, 200], []) == ([len(request) for request in api.requests], api.counts)


def test_of_a_lost_node_what_is_open_ends_and_nothing_else(api: Api) -> None:
    running, waiting, ended = (uuid4() for _ in range(3))

    delivery = deliver(state(running, "Retrying", 5e9), state(ended, "Passed"), lost=(running, waiting, ended))

    expected = [(running, "Retrying"), (ended, "Passed"), (running, "NodeLost")]
    assert [(str(id), name) for id, name in expected] == api.told()
    assert (2, 2) == (delivery.ended, delivery.known)
    # The API takes what is newer, and the node's clock may be ahead.
    assert "2128-" in api.requests[0][-1]["occurred"]


def test_what_a_lost_node_says_late_changes_nothing(api: Api) -> None:
    id = uuid4()

    delivery = deliver(state(id, "Running"), lost=(id,), late=(state(id, "Failed"), state(id, "Passed")))

    assert ["Running", "NodeLost"] == [name for _, name in api.told()]
    assert 1 == delivery.ended


def test_what_has_no_end_is_known_all_the_same(api: Api) -> None:
    delivery = deliver(state(uuid4(), "Running"), state(uuid4(), "Passed"))

    assert (1, 2) == (delivery.ended, delivery.known)


def test_an_api_that_is_gone_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(api, "post", refuse)

    async def run() -> bool:
        delivery = Delivery()
        delivery.put(state(uuid4(), "Passed"))
        async with delivery.telling(FLOW_RUN):
            return await delivery.all_told(60)

    assert not asyncio.run(run())


def test_a_server_that_records_nothing_new_is_told_on_and_not_trusted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNRECORDED", 300)
    monkeypatch.setattr(module, "STALL_SECONDS", 0.0)
    api.counts = [0]

    assert deliver(*(state(uuid4(), "Passed") for _ in range(600))).troubled
    assert [200, 200, 200] == [len(request) for request in api.requests]


def test_what_cannot_be_told_in_time_is_not_waited_for(api: Api) -> None:
    async def run() -> tuple[bool, bool]:
        delivery = Delivery()
        delivery.put(state(uuid4(), "Passed"))
        return await delivery.all_told(0.0), await Delivery().all_told(0.0)

    assert (False, True) == asyncio.run(run())


NAMES = ("Running", "Retrying", "Passed")


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(NAMES), st.floats(0, 1)), max_size=20),
    st.floats(0, 1),
)
def test_nothing_is_lost_or_overtakes_but_a_short_running(told: list[tuple[int, str, float]], before: float) -> None:
    ids = [UUID(int=number) for number in range(4)]
    waiting = [(came, replace(state(ids[number], name), at=came)) for number, name, came in told]

    due, held = sort_out(waiting, before)

    of_each: dict[UUID, list[TaskRunState]] = defaultdict(list)
    for _, one in [*due, *held]:
        of_each[one.id].append(one)
    for id in ids:
        came = [one for _, one in waiting if one.id == id]
        short = [
            one
            for one, after in itertools.pairwise(came)
            if one.state == "Running" and after.state == "Passed" and after.at - one.at < SHORT_SECONDS
        ]
        assert of_each[id] == [one for one in came if all(one is not other for other in short)]
    assert all(one.state == "Running" and came > before for came, one in held)
    assert ([], sort_out(waiting, math.inf)[0]) == (sort_out(waiting, math.inf)[1], [*sort_out(waiting, math.inf)[0]])
