"""What the Prefect server of a run does without, with a real one, and with the routes of the installed release."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil
import pytest
from prefect import Task
from prefect.events import Event, Resource
from prefect.events.clients import AssertingEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Running
from prefect.utilities.engine import emit_task_run_state_change_event

from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.server_process import (
    ASKED_FOR,
    FLUSH_SECONDS,
    ask_first_for_ours,
    keep_no_states_as_events,
    record_soon,
    set_auth,
)
from pulseq.orchestration.tasks import new_task_run, task_for

if TYPE_CHECKING:  # a server takes a second to load, for which the collection of all tests does not wait
    from prefect.server.events.schemas.events import ReceivedEvent
    from prefect.server.utilities.messaging import Message


def _a_task_of_somebody_else() -> None:
    """Only its name is needed."""


def _module(*prefixes: str) -> SimpleNamespace:
    return SimpleNamespace(API_ROUTERS=tuple(SimpleNamespace(prefix=prefix) for prefix in prefixes))


def test_what_a_run_asks_for_is_looked_through_first_and_the_rest_in_its_order() -> None:
    module = _module("/logs", "/flows", "/automations", "/admin", "")

    ask_first_for_ours(module)

    assert ["/flows", "/admin", "/logs", "/automations", ""] == [router.prefix for router in module.API_ROUTERS]


def test_a_release_without_a_list_of_routers_is_left_as_it_is() -> None:
    module = SimpleNamespace()

    ask_first_for_ours(module)

    assert not hasattr(module, "API_ROUTERS")


def test_the_installed_release_has_all_that_is_asked_for_and_no_path_twice() -> None:
    from prefect.server.api import server as prefect_server

    routers = prefect_server.API_ROUTERS

    assert set() == ASKED_FOR - {router.prefix for router in routers}
    # Two routers with one path: then their order would mean something.
    owners = Counter(
        (path, method)
        for router in routers
        for path, method in {
            (route.path, method) for route in router.routes for method in getattr(route, "methods", ["websocket"])
        }
    )
    assert [] == [path for path, times in owners.items() if times > 1]


def test_the_recorder_flushes_as_often_as_it_is_told_to_and_keeps_the_rest() -> None:
    given: list[dict[str, float]] = []

    def consumer(write_batch_size: int, flush_every: float, max_persist_retries: int = 5) -> None:
        given.append({"size": write_batch_size, "every": flush_every, "retries": max_persist_retries})

    recorder = SimpleNamespace(consumer=consumer)

    record_soon(recorder)
    recorder.consumer(write_batch_size=200, flush_every=1, max_persist_retries=7)
    recorder.consumer(200, flush_every=1)

    assert given == [
        {"size": 200, "every": FLUSH_SECONDS, "retries": 7},
        {"size": 200, "every": FLUSH_SECONDS, "retries": 5},
    ]


@pytest.mark.parametrize("consumer", [None, lambda write_batch_size: write_batch_size])
def test_a_recorder_that_is_made_in_another_way_keeps_its_own(consumer: object) -> None:
    recorder = SimpleNamespace(consumer=consumer)

    record_soon(recorder)

    assert recorder.consumer is consumer


def test_the_installed_recorder_is_made_in_the_way_that_this_relies_on() -> None:
    from prefect.server.services import task_run_recorder

    source = inspect.getsource(task_run_recorder.TaskRunRecorder.start)

    assert "async with consumer(" in source
    assert "flush_every=" in source
    assert "flush_every" in inspect.signature(task_run_recorder.consumer).parameters


def test_the_installed_app_is_made_in_the_way_that_leaving_things_out_relies_on() -> None:
    from prefect.server.api import server as prefect_server

    source = inspect.getsource(prefect_server.create_app)

    # Looked up when it is called, and for nothing but telling apps apart.
    assert "from prefect.logging.configuration import setup_logging\n" in source
    assert 1 == source.count("hash_key()") == source.count("cache_key = ")


def _task_run_event(task: Task[Any, Any], state: str = "Passed") -> ReceivedEvent:
    """An event of a task run, as Prefect's own engine makes it."""
    task_run = new_task_run(task, "t", uuid4())
    # Where it asks for an API and has none, it would start a server.
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        EventsWorker.set_client_override(AssertingEventsClient)
        try:
            emit_task_run_state_change_event(task_run, Running(), Completed(name=state))
            EventsWorker.drain_all()
        finally:
            EventsWorker.set_client_override(None)
    assert AssertingEventsClient.last is not None
    (sent,) = AssertingEventsClient.last.events
    return _received(sent)


def _received(event: Event) -> ReceivedEvent:
    from prefect.server.events.schemas.events import Event as ServerEvent

    return ServerEvent.model_validate_json(event.model_dump_json()).receive()


def test_the_feed_takes_all_but_the_states_of_tests() -> None:
    from prefect.server.events.schemas.events import ReceivedEvent
    from prefect.server.utilities.messaging.memory import MemoryMessage

    taken: list[ReceivedEvent] = []

    @contextlib.asynccontextmanager
    async def create_handler(batch_size: int) -> AsyncIterator[Callable[[Message], Awaitable[None]]]:
        async def handle(message: Message) -> None:
            taken.append(ReceivedEvent.model_validate_json(message.data))

        yield handle

    async def feed(events: list[ReceivedEvent]) -> None:
        async with persister.create_handler(batch_size=1) as handle:
            for event in events:
                await handle(MemoryMessage(event.model_dump_json().encode(), {}))
                await handle(MemoryMessage(event.model_dump_json(), {}))

    persister = SimpleNamespace(create_handler=create_handler)
    keep_no_states_as_events(persister)
    other = Task(_a_task_of_somebody_else)
    about_us = _received(Event(event="noted", resource=Resource({"prefect.resource.id": "prefect.task-run.1"})))
    events = [_task_run_event(task_for(0, 0.0, None)), _task_run_event(task_for(3, 1.0, 5.0), "Flaky")]
    asyncio.run(feed([*events, _task_run_event(other), about_us]))

    assert [event.event for event in taken] == ["prefect.task-run.Passed"] * 2 + ["noted"] * 2


def test_a_feed_that_is_written_in_another_way_stays() -> None:
    persister = SimpleNamespace()

    keep_no_states_as_events(persister)

    assert not hasattr(persister, "create_handler")


def test_the_installed_feed_is_written_in_the_way_that_this_relies_on() -> None:
    from prefect.server.events.services import event_persister

    source = inspect.getsource(event_persister.EventPersister.start)

    assert "async with create_handler(" in source
    assert "as handler" in source


@pytest.mark.parametrize("auth", [None, "pulseq:abc"])
def test_the_server_asks_for_what_its_owner_says_and_not_for_what_the_environment_does(
    monkeypatch: pytest.MonkeyPatch, auth: str | None
) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:elsewhere")

    set_auth(auth)

    assert auth == os.environ.get("PREFECT_SERVER_API_AUTH_STRING")


@pytest.mark.system
def test_the_server_of_a_single_run_does_not_load_dask(tmp_path: Path) -> None:
    async def load() -> set[str]:
        server = await EmbeddedServer.start(state_directory=tmp_path, run_directory=tmp_path / "run")
        try:
            await server.ready()
            return {Path(mapped.path).name for mapped in psutil.Process(server.pid).memory_maps()}
        finally:
            await server.stop()

    mapped = asyncio.run(load())

    assert any("pydantic_core" in name for name in mapped)
    # A part in C of what `distributed` imports.
    assert [] == [name for name in mapped if "cmsgpack" in name]
