"""What a scheduler and its nodes do when a run's driver has gone; all of them are real."""

from __future__ import annotations

import asyncio

import pytest
from distributed import Client, Scheduler
from hypothesis import given
from hypothesis import strategies as st

from pulseq.cluster.run_watch import DRIVERS_KEY, RunWatch, driver_name, run_of
from pulseq.protocol import entry_points
from pulseq.protocol.coding import decode, encode
from pulseq.protocol.entry_points import register_node
from pulseq.protocol.from_node import run_topic
from pulseq.protocol.to_node import LeaveRun, Order
from tests.dask_nodes import open_node, open_scheduler

UUID = "0b7c0f2e-c7a1-11f0-9d5c-0242ac110002"


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_a_drivers_id_tells_its_run(run_id: str) -> None:
    assert run_id == run_of(f"Client-{driver_name(run_id)}-{UUID}")


@pytest.mark.parametrize("client", [f"Client-{UUID}", f"Client-worker-{UUID}", "", "pulseq-run-"])
def test_a_client_that_is_no_driver_tells_none(client: str) -> None:
    assert run_of(client) is None


async def _come_and_go(scheduler: Scheduler, name: str) -> None:
    """A client comes, says something of its run, and has gone."""
    client = Client(scheduler.address, name=name, asynchronous=True, set_as_default=False)
    async with client:
        await client.log_event(run_topic("r1"), "said")
        assert scheduler.get_events(run_topic("r1"))
    while client.id in scheduler.clients:  # noqa: ASYNC110 - its end has no event
        await asyncio.sleep(0.001)


class _Node:
    """What takes messages on a node; it notes them."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def take(self, order: bytes) -> bytes:
        self.orders.append(decode(order, Order))
        return encode(None)


async def _watch(name: str) -> tuple[list[Order], bool]:
    """What a node hears when a client of this name has left, and whether what it said of `r1` is still there."""
    watch, node = RunWatch(), _Node()
    async with open_scheduler() as scheduler, open_node(scheduler, "n"):
        scheduler.add_plugin(watch)
        register_node(node)
        await _come_and_go(scheduler, name)
        await watch._background.settle()
        await asyncio.sleep(0)
        return node.orders, bool(scheduler.get_events(run_topic("r1")))


def test_a_run_has_one_driver_and_the_next_has_it_when_nodes_have_forgotten_it() -> None:
    async def scenario() -> None:
        async with open_scheduler() as scheduler:
            kinds = {"name": driver_name("r1"), "asynchronous": True, "set_as_default": False}
            async with Client(scheduler.address, **kinds) as second:
                first = await Client(scheduler.address, **kinds)
                await second.register_plugin(RunWatch(), name=RunWatch.name)
                drivers = scheduler.task_metadata[DRIVERS_KEY]
                assert {"r1": second.id} == drivers
                await first.close()  # it never had the run: nobody forgets that
                async with Client(scheduler.address, **kinds) as third:
                    await second.close()
                    while drivers != {"r1": third.id}:  # noqa: ASYNC110 - a change of metadata has no event
                        await asyncio.sleep(0.001)
            while drivers:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        (driver_name("r1"), ([Order("r1", LeaveRun())], False)),
        (driver_name("r2"), ([Order("r2", LeaveRun())], True)),
        ("user", ([], True)),
    ],
)
def test_a_run_is_forgotten_with_its_driver_and_with_no_other_client(
    name: str, heard: tuple[list[Order], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_points, "_node", None)  # and again afterwards: it is this process's

    assert heard == asyncio.run(_watch(name))
