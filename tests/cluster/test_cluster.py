"""The members of a cluster as a driver sees them; scheduler and nodes are real."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from distributed import Scheduler

from pulseq.cluster.cluster import Cluster
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.entry_points import NODE_TOPIC
from tests.dask_nodes import open_node, open_scheduler, open_worker

pytestmark = pytest.mark.processes

PATIENCE_SECONDS = 60.0


class _Seen:
    """A driver's cluster, and what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.cluster = Cluster()
        self.cluster.on_joined = lambda node: self.told.append(f"{node.id} joined")
        self.cluster.on_left = lambda node_id, why: self.told.append(f"{node_id} left: {why}")

    async def until(self, there: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not there():  # noqa: ASYNC110 - it has callbacks, which are what is tested
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def connected(scheduler: Scheduler) -> AsyncIterator[_Seen]:
    seen = _Seen()
    await seen.cluster.connect(scheduler.address, name="driver", foreign=True)
    try:
        yield seen
    finally:
        await seen.cluster.close()


def test_nodes_that_are_there_and_that_come_are_members_and_other_workers_are_not() -> None:
    async def watch() -> None:
        async with open_scheduler() as scheduler, open_node(scheduler, "a", 2), open_worker(scheduler, "a stranger"):
            async with connected(scheduler) as seen:
                assert ["a"] == list(seen.cluster.nodes)
                async with open_node(scheduler, "b") as second:
                    node = await seen.cluster.wait_for("b", PATIENCE_SECONDS)
                    assert (second.address, "127.0.0.1", 1) == (node.address, node.host, node.slots)
                    assert seen.cluster.has_address(second.address)
                await seen.until(lambda: "b" not in seen.cluster.nodes)
                assert ["a joined", "b joined", "b left: its connection ended"] == seen.told

    asyncio.run(watch())


def test_a_node_of_another_protocol_is_no_member_and_is_told_of_with_what_to_do() -> None:
    async def watch() -> None:
        labels = {"id": "old", "slots": 1, "capabilities": {}, "protocol": PROTOCOL + 1}
        async with open_scheduler() as scheduler, open_worker(scheduler, "old", labels):
            cluster, refused = Cluster(), list[tuple[str, str]]()
            cluster.on_refused = lambda node_id, why: refused.append((node_id, why))
            await cluster.connect(scheduler.address, name="driver", foreign=True)
            await cluster.close()
            assert {} == cluster.nodes
            why = (
                f"the other side speaks protocol {PROTOCOL + 1}, this one {PROTOCOL}: "
                "have the same release of PulseQ on driver and nodes"
            )
            assert [("old", why)] == refused

    asyncio.run(watch())


def test_a_second_node_of_an_id_is_refused_for_as_long_as_the_first_is_a_member() -> None:
    async def watch() -> None:
        async with open_scheduler() as scheduler, connected(scheduler) as seen:
            refused = list[tuple[str, str]]()
            seen.cluster.on_refused = lambda node_id, why: refused.append((node_id, why))
            labels = {"id": "a", "slots": 1, "capabilities": {}, "protocol": PROTOCOL}
            async with open_node(scheduler, "a") as first:
                await seen.cluster.wait_for("a", PATIENCE_SECONDS)
                async with open_worker(scheduler, "another name", labels) as second:
                    await seen.until(lambda: bool(refused))
                    why = (
                        f"there is a node 'a' already, on 127.0.0.1 at {first.address!r}: "
                        f"give this one, at {second.address!r}, another --id, or end that one"
                    )
                    assert [("a", why)] == refused
                assert seen.cluster.has_address(first.address)
                assert ["a joined"] == seen.told
            async with open_node(scheduler, "a") as back:
                await seen.until(lambda: seen.cluster.has_address(back.address))
            await seen.until(lambda: len(seen.told) == 4)
            left = "a left: its connection ended"
            assert ["a joined", left, "a joined", left] == seen.told
            assert 1 == len(refused)

    asyncio.run(watch())


def test_a_new_start_of_a_node_at_its_old_address_has_its_place() -> None:
    async def watch() -> None:
        async with open_scheduler() as scheduler, connected(scheduler) as seen:
            async with open_node(scheduler, "a", incarnation="1") as node:
                await seen.cluster.wait_for("a", PATIENCE_SECONDS)
                told = {"event": "joined", "address": node.address}
                labels = {**seen.cluster.nodes["a"].labels, "capabilities": {}, "incarnation": "2"}
                await seen.cluster.client.log_event(NODE_TOPIC, {**told, "labels": labels})
                await seen.until(lambda: len(seen.told) == 3)
                assert "2" == seen.cluster.nodes["a"].incarnation
            assert ["a joined", "a left: its process ended, and another one has its place", "a joined"] == seen.told[:3]

    asyncio.run(watch())


def test_a_node_that_does_not_come_is_waited_for_so_long() -> None:
    async def watch() -> None:
        async with open_scheduler() as scheduler, connected(scheduler) as seen:
            await seen.cluster.wait_for("nobody", 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(watch())


def test_a_cluster_that_is_closed_tells_of_nothing_more() -> None:
    async def watch() -> list[str]:
        async with open_scheduler() as scheduler:
            async with open_node(scheduler, "a"), connected(scheduler) as seen:
                pass
            return seen.told

    assert ["a joined"] == asyncio.run(watch())


def test_a_scheduler_that_has_let_a_driver_go_is_reached_again_and_tells_of_all_as_at_first() -> None:
    async def watch() -> None:
        async with open_scheduler() as scheduler, open_node(scheduler, "a"), connected(scheduler) as seen:
            first = seen.cluster.client
            clients: list[object] = []
            seen.cluster.on_connected = lambda: clients.append(seen.cluster.client)
            seen.cluster.on_link = seen.told.append
            scheduler.client_comms[first.id].abort()
            await seen.until(lambda: len(seen.told) == 5)
            async with open_node(scheduler, "b"):
                await seen.until(lambda: "b" in seen.cluster.nodes)
            assert [seen.cluster.client] == clients
            assert first is not seen.cluster.client
            down = f"the link to the scheduler at {scheduler.address!r} was down for so long that it has ended what ran"
            link = f"{down}: trying for up to 54 s to be there again"
            left = "a left: the link to the scheduler was down for too long"
            again = f"the scheduler at {scheduler.address!r} is reached again"
            assert ["a joined", link, left, "a joined", again, "b joined"] == seen.told[:6]

    asyncio.run(watch())


@pytest.mark.parametrize("another", [False, True], ids=["nobody", "another"])
def test_a_scheduler_that_is_gone_is_lost_at_once_though_another_has_its_place(another: bool) -> None:
    async def watch() -> None:
        async with open_scheduler() as scheduler, connected(scheduler) as seen:
            seen.cluster.on_lost = seen.told.append
            port = int(scheduler.address.rpartition(":")[2])
            await scheduler.close()
            async with open_scheduler(port=port) if another else contextlib.nullcontext():
                await seen.until(lambda: seen.cluster.lost)
            assert [f"the Dask scheduler at {scheduler.address!r} is gone, and the nodes with it"] == seen.told

    asyncio.run(watch())
