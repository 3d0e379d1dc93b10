"""What PulseQ asks of Dask beyond its documented interface, held against the Dask that is installed.

It is what has to pass before another year's Dask is allowed in `pyproject.toml`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import pickle
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import dask
import distributed
import pytest
from distributed import Client, Scheduler, SchedulerPlugin, Worker, get_worker, rpc
from distributed.protocol.serialize import to_serialize
from distributed.threadpoolexecutor import ThreadPoolExecutor
from distributed.worker_state_machine import SecedeEvent

from pulseq.cluster.driver_client import connect_driver
from pulseq.cluster.run_watch import run_of
from pulseq.cluster.scheduler_process import SCHEDULER_SETTINGS
from pulseq.node.node_process import WORKER_SETTINGS
from pulseq.node.silence import Silence
from pulseq.processes.clock_steps import go_on
from pulseq.protocol.connections import connection_settings
from tests import promised
from tests.outside_use import named_uses, our_files, unpromised_uses
from tests.unpromised import DASK, Place


@dataclass(frozen=True)
class Members:
    """A scheduler, a worker with labels, and a client, all in this process."""

    scheduler: Any
    worker: Any
    client: Any


pytestmark = pytest.mark.processes

LABELS = {"id": "node1", "slots": 2, "capabilities": {"browser": "chrome"}}
_QUIET = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}


@contextlib.asynccontextmanager
async def cluster(**worker_options: Any) -> AsyncIterator[Members]:
    with dask.config.set({**SCHEDULER_SETTINGS, **WORKER_SETTINGS}):
        async with contextlib.AsyncExitStack() as stack:
            scheduler: Any = await stack.enter_async_context(Scheduler(host="127.0.0.1", port=0, **_QUIET))
            worker: Any = Worker(
                scheduler.address,
                name="node1",
                nthreads=2,
                host="127.0.0.1",
                memory_limit=0,
                local_directory=stack.enter_context(tempfile.TemporaryDirectory()),
                **_QUIET,
                **worker_options,
            )
            worker.startup_information["pulseq"] = lambda _worker: LABELS
            await stack.enter_async_context(worker)
            client: Any = Client(scheduler.address, asynchronous=True, set_as_default=False, name="ours")
            await stack.enter_async_context(client)
            yield Members(scheduler, worker, client)


def in_cluster(check: Callable[[Members], Awaitable[None]]) -> None:
    async def run() -> None:
        async with cluster() as members:
            await check(members)

    asyncio.run(run())


def test_every_use_of_what_dask_does_not_promise_is_named() -> None:
    assert set() == unpromised_uses(our_files("distributed", "dask", *promised.DASK.rooms), promised.DASK) ^ named_uses(
        DASK
    )


@pytest.mark.parametrize("place", DASK, ids=lambda place: place.uses[-1])
def test_what_holds_a_place_is_there(place: Place) -> None:
    assert place.held_by
    assert set() == set(place.held_by) - globals().keys()


def test_a_client_whose_connection_breaks_is_asked_to_connect_again() -> None:
    async def check(members: Members) -> None:
        scheduler = members.scheduler
        async with await connect_driver(scheduler.address, name="ours", node_timeout=60, credentials=None) as client:
            ran = client.submit(time.sleep, 600)
            scheduler.client_comms[client.id].abort()
            async with asyncio.timeout(30):
                while client.status != "closed":  # noqa: ASYNC110 - it has no other way to tell
                    await asyncio.sleep(0.01)
                assert await ran.exception() is None  # nobody waits for it any more
            ran.release()
        assert client.id not in scheduler.clients

    in_cluster(check)


def test_what_a_worker_registers_is_seen_by_all_who_ask() -> None:
    async def check(members: Members) -> None:
        state = members.scheduler.workers[members.worker.address]
        assert (state.name, state.extra["pulseq"]) == ("node1", LABELS)
        asker: Any = rpc(members.scheduler.address)  # type: ignore[no-untyped-call]
        for scheduler in (members.client.scheduler, asker):
            identity = await scheduler.identity(n_workers=-1)
            worker = identity["workers"][members.worker.address]
            assert worker["pulseq"] == LABELS
            assert abs(worker["last_seen"] - time.time()) < 60  # Unix time and no other clock
        await asker.close_rpc()

    in_cluster(check)


def test_an_operation_of_ours_is_answered_by_a_worker() -> None:
    async def answer() -> dict[str, int]:
        return {"load": 1}

    async def check(members: Members) -> None:
        members.worker.handlers["pulseq_contract"] = answer
        asker: Any = rpc(members.scheduler.address)  # type: ignore[no-untyped-call]
        address = members.worker.address
        message = {"op": "pulseq_contract"}
        told = await asker.broadcast(msg=message, workers=[address], on_error="ignore")
        assert told == {address: {"load": 1}}
        await asker.close_rpc()

    in_cluster(check)


def test_a_worker_is_handed_bytes_by_who_connects_to_it() -> None:
    """They come as they were sent, and are not in the way of a second call, nor is a connection that was tried."""
    sent = os.urandom(5_000_000)

    async def answer(order: memoryview) -> bytes:
        return bytes(order[:3])

    async def check(members: Members) -> None:
        members.worker.handlers["pulseq_contract"] = answer
        pool, address = members.client.rpc, members.worker.address
        pool.reuse(address, await pool.connect(address, timeout=30))
        calls = [pool(address).pulseq_contract(order=to_serialize(memoryview(sent)[at:])) for at in (0, 3)]  # type: ignore[no-untyped-call]
        assert [sent[:3], sent[3:6]] == await asyncio.gather(*calls)
        await members.worker.close()
        with pytest.raises(OSError, match=r"(?i)clos|connect"):
            await pool(address).pulseq_contract(order=to_serialize(memoryview(sent)))  # type: ignore[no-untyped-call]

    in_cluster(check)


def test_a_scheduler_tells_its_metadata_and_versions_and_forgets_a_worker_when_it_is_asked() -> None:
    async def check(members: Members) -> None:
        members.scheduler.set_metadata(["ours"], {"said": 1})
        asker: Any = rpc(members.scheduler.address)  # type: ignore[no-untyped-call]
        assert {"said": 1} == await asker.get_metadata(keys=["ours"], default=None)
        assert await asker.get_metadata(keys=["others"], default=None) is None
        assert distributed.__version__ == (await asker.versions())["packages"]["distributed"]
        await asker.unregister(address=members.worker.address, stimulus_id="contract")
        assert {} == members.scheduler.workers
        await asker.close_rpc()

    in_cluster(check)


def test_a_scheduler_listens_at_a_second_address() -> None:
    async def check(members: Members) -> None:
        await members.scheduler.listen("tcp://127.0.0.2:0")
        second = members.scheduler.listeners[-1].contact_address
        assert second.startswith("tcp://127.0.0.2:")
        assert members.scheduler.port == int(members.scheduler.address.rpartition(":")[2])
        asker: Any = rpc(second)  # type: ignore[no-untyped-call]
        assert members.scheduler.id == (await asker.identity(n_workers=-1))["id"]
        await asker.close_rpc()

    in_cluster(check)


_runs: list[str] = []


async def _note(run_id: str) -> None:
    _runs.append(run_id)


def test_a_scheduler_has_workers_run_a_pickled_function() -> None:
    async def check(members: Members) -> None:
        message = {"op": "run", "function": pickle.dumps(_note), "args": pickle.dumps(("r1",))}
        await members.scheduler.broadcast(msg=message, on_error="ignore")
        assert _runs == ["r1"]

    _runs.clear()
    in_cluster(check)


_turns: list[str] = []


async def _secede(key: tuple[str, str, str]) -> None:
    get_worker().handle_stimulus(SecedeEvent(key=key, compute_duration=0.0, stimulus_id="ours"))
    _turns.append(key[2])
    while len(_turns) < 4:  # noqa: ASYNC110 - what it waits for is another task of Dask's
        await asyncio.sleep(0.001)


def test_a_task_that_secedes_leaves_its_place_to_the_next() -> None:
    """Four at once on a worker of two threads, which the scheduler still knows as two."""

    async def check(members: Members) -> None:
        keys = [("pulseq-test", "r", str(number)) for number in range(4)]
        futures = [members.client.submit(_secede, key, key=key, pure=False) for key in keys]
        async with asyncio.timeout(30):
            await asyncio.gather(*futures)
        assert {2} == {state.nthreads for state in members.scheduler.workers.values()}

    _turns.clear()
    in_cluster(check)


def test_a_worker_that_is_retired_can_be_had_to_stay() -> None:
    """By the step that waits for its data; it knows of its tasks that have seceded."""

    async def check(members: Members) -> None:
        seen: list[tuple[str, list[object]]] = []

        async def stay(worker: Any, *_: Any, **__: Any) -> tuple[str, str, dict[str, Any]]:
            seen.append((worker.address, [task.key for task in worker.long_running]))
            _turns.extend(["over"] * 4)
            return worker.address, "OK", {}

        members.scheduler._track_retire_worker = stay
        key = ("pulseq-test", "r", "1")
        future = members.client.submit(_secede, key, key=key, pure=False)
        async with asyncio.timeout(30):
            state = members.scheduler.workers[members.worker.address]
            while not state.long_running:  # noqa: ASYNC110 - it does not tell
                await asyncio.sleep(0.001)
            assert [members.worker.address] == list(await members.client.retire_workers([members.worker.address]))
            await future
        assert [(members.worker.address, [key])] == seen

    _turns.clear()
    in_cluster(check)


_told: list[str] = []


async def dask_setup(worker: Any) -> None:
    _told.append(worker.status.name)
    _told.append(f"{worker.name} {worker.nanny} {worker.port > 0} {worker.state.nthreads}")


async def dask_teardown(worker: Any) -> None:
    _told.append(worker.status.name)


def test_a_preload_is_told_before_a_worker_registers_and_while_it_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with cluster(preload=["preloaded_here"]):
            pass

    _told.clear()
    module = SimpleNamespace(dask_setup=dask_setup, dask_teardown=dask_teardown)
    monkeypatch.setitem(sys.modules, "preloaded_here", module)
    asyncio.run(run())
    assert ["init", "node1 None True 2", "closing"] == _told


def test_a_scheduler_forgets_the_messages_of_a_topic() -> None:
    async def check(members: Members) -> None:
        for topic in ("run-1", "run-2"):
            members.scheduler.log_event(topic, "said")
        members.scheduler._broker.truncate("run-1")
        assert [0, 1] == [len(members.scheduler.get_events(topic)) for topic in ("run-1", "run-2")]

    in_cluster(check)


_go = threading.Event()


def _wait() -> None:
    _go.wait(30)


def test_a_scheduler_tells_the_keys_that_a_worker_has() -> None:
    async def check(members: Members) -> None:
        key = ("pulseq-test", "r1", "d1")
        future = members.client.submit(_wait, key=key, workers=[members.worker.address], pure=False)
        asker: Any = rpc(members.scheduler.address)  # type: ignore[no-untyped-call]
        found: Any = ()
        async with asyncio.timeout(30):
            while not found:
                found = (await asker.processing(workers=None)).get(members.worker.address)
        assert [key] == [tuple(one) for one in found]
        _go.set()
        assert await future.exception() is None
        await asker.close_rpc()

    _go.clear()
    in_cluster(check)


def test_a_worker_that_is_silent_is_removed_under_that_name() -> None:
    why: asyncio.Queue[str] = asyncio.Queue()

    class Hear(SchedulerPlugin):
        name = "hear"

        def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **_: Any) -> None:
            why.put_nowait(stimulus_id)

    async def check(members: Members) -> None:
        members.scheduler.add_plugin(Hear())
        members.scheduler.worker_ttl = 1
        members.scheduler.workers[members.worker.address].last_seen = time.time() - 3600
        await members.scheduler.check_worker_ttl()
        async with asyncio.timeout(30):
            assert (await why.get()).startswith("check-worker-ttl")

    in_cluster(check)


def test_a_heartbeat_can_be_given_up_and_its_answer_is_noticed() -> None:
    async def check(members: Members) -> None:
        worker, heard = members.worker, Heard()
        silence = Silence(3, lambda: None, clock=heard.clock)
        silence.follow(worker)
        ask = worker.periodic_callbacks["heartbeat"].callback
        answer = members.scheduler.handlers["heartbeat_worker"]
        members.scheduler.handlers["heartbeat_worker"] = _never
        heard.now = 1.0
        await ask()  # no error, and the worker lives on
        assert (silence.seconds, str(worker.status)) == (1.0, "Status.running")
        members.scheduler.handlers["heartbeat_worker"] = answer
        heard.now = 2.0
        await ask()
        assert silence.seconds == 0.0

    in_cluster(check)


@dataclass
class Heard:
    """A clock that is set by hand."""

    now: float = 0.0

    def clock(self) -> float:
        return self.now


async def _never(**_: Any) -> None:
    await asyncio.Event().wait()


def test_batches_and_timers_go_on_when_a_clock_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    real, heard = time.time, asyncio.Queue[str]()

    async def hear(event: tuple[float, str]) -> None:
        heard.put_nowait(event[1])

    async def check(members: Members) -> None:
        worker, scheduler, client = members.worker, members.scheduler, members.client
        client.subscribe_topic("news", hear)
        async with asyncio.timeout(30):
            while heard.empty():
                worker.log_event("news", "before")
                await asyncio.sleep(0.01)
        for place in ("time.time", "distributed.batched.time"):
            monkeypatch.setattr(place, lambda: real() - 3600)
        senders = [*scheduler.stream_comms.values(), *scheduler.client_comms.values()]
        for sender in (worker.batched_stream, client.scheduler_comm, *senders):
            sender.next_deadline = real()  # as of one that has sent something just before
        worker.log_event("news", "after")
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert "after" not in [message for _, message in scheduler.get_events("news")]  # for an hour
        seen = scheduler.workers[worker.address].last_seen = 0.0

        go_on([worker.batched_stream], worker.periodic_callbacks)
        go_on(senders, scheduler.periodic_callbacks)
        go_on([client.scheduler_comm], {})

        async with asyncio.timeout(30):
            while await heard.get() != "after":
                pass
            while scheduler.workers[worker.address].last_seen == seen:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            # The way from client to worker, and that of its answer.
            assert await client.submit(len, "abc", pure=False) == 3
        assert {"heartbeat"} <= {name for name, timer in worker.periodic_callbacks.items() if timer.is_running()}
        assert scheduler.periodic_callbacks["worker-ttl"].is_running()

    in_cluster(check)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such limit")
@pytest.mark.parametrize("node_timeout", [0.5, 60.0])
def test_a_connection_lives_as_long_without_a_sign_as_is_set(node_timeout: float) -> None:
    async def check() -> None:
        with dask.config.set(connection_settings(node_timeout)):
            async with cluster() as members:
                comm = members.worker.batched_stream.comm
                limit = comm.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                assert max(2 * node_timeout, 10) < limit / 1000 < 2 * node_timeout + 11

    asyncio.run(check())


def test_a_clients_id_has_the_name_that_it_was_given() -> None:
    async def check(members: Members) -> None:
        assert members.client.id.startswith("Client-ours-")
        name = "pulseq-run-20260101-000000-abc"
        async with await connect_driver(
            members.scheduler.address, name=name, node_timeout=60, credentials=None
        ) as driver:
            assert run_of(driver.id) == "20260101-000000-abc"
            assert driver.id in members.scheduler.clients

    in_cluster(check)


def test_what_a_plugin_of_a_scheduler_keeps_is_told_as_its_metadata() -> None:
    async def check(members: Members) -> None:
        members.scheduler.task_metadata["ours"] = {"run": members.client.id}

        assert {"run": members.client.id} == await members.client.scheduler.get_metadata(keys=["ours"], default={})
        assert {} == await members.client.scheduler.get_metadata(keys=["theirs"], default={})
        assert members.client.id in members.scheduler.clients

    in_cluster(check)


def test_a_client_tells_that_its_scheduler_has_gone() -> None:
    async def check(members: Members) -> None:
        assert members.client.status == "running"
        await members.scheduler.close()
        async with asyncio.timeout(30):
            while members.client.status == "running":  # noqa: ASYNC110 it has no other way to tell
                await asyncio.sleep(0)
        assert members.client.status in ("connecting", "closing", "closed")
        await members.client.close()
        assert members.client.scheduler is None

    in_cluster(check)


def test_a_worker_ends_its_own_kind_of_pool_in_time() -> None:
    go = threading.Event()

    async def run() -> None:
        pool = ThreadPoolExecutor(1, thread_name_prefix="Ours")  # type: ignore[no-untyped-call]
        try:
            async with cluster(executor=pool) as members:
                assert members.worker.executors["default"] is pool
                running = pool.submit(go.wait)
                waiting = pool.submit(print)
                await members.worker.close(timeout=0.1)
                # What has begun goes on; what has not is forgotten, and nobody waits for either.
                assert not running.done()
                assert not waiting.done()
        finally:
            go.set()
            pool.shutdown()

    asyncio.run(run())


@pytest.mark.parametrize("settings", [SCHEDULER_SETTINGS, WORKER_SETTINGS, connection_settings(60.0)])
def test_dask_knows_the_settings_of_our_processes(settings: Mapping[str, Any]) -> None:
    own = dask.config.merge(*dask.config.defaults)
    unknown = object()
    assert set() == {name for name in settings if dask.config.get(name, unknown, config=own) is unknown}


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (Client.__init__, {"address", "asynchronous", "set_as_default", "timeout", "name"}),
        (Client.close, {"timeout"}),
        (Client.register_plugin, {"plugin", "name"}),
        (Client.run, {"workers", "on_error"}),
        (Client.submit, {"key", "workers", "allow_other_workers", "priority", "pure"}),
        (Client.subscribe_topic, {"topic", "handler"}),
        (Scheduler.broadcast, {"msg", "workers", "on_error"}),
        (SchedulerPlugin.add_worker, {"scheduler", "worker"}),
        (SchedulerPlugin.remove_worker, {"scheduler", "worker", "stimulus_id"}),
        (SchedulerPlugin.remove_client, {"scheduler", "client"}),
        (SchedulerPlugin.start, {"scheduler"}),
        (
            Worker.__init__,
            {"death_timeout", "executor", "heartbeat_interval", "local_directory", "memory_limit"}
            | {"name", "nthreads", "host", "port", "dashboard", "dashboard_address"},
        ),
    ],
)
def test_what_is_called_takes_what_it_is_given(function: Callable[..., Any], parameters: set[str]) -> None:
    assert set() == parameters - inspect.signature(function).parameters.keys()
