"""A look at the members of a scheduler, both of them real."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import pytest
from distributed import Scheduler

from pulseq.cluster import health
from pulseq.cluster.health import Sighting, look_at_nodes, reach_scheduler
from pulseq.errors import InfrastructureError
from tests.dask_nodes import open_node, open_scheduler, open_worker


async def _look(address: str, clock: Callable[[], float] = time.time) -> list[Sighting]:
    async with reach_scheduler(address) as scheduler:
        return await look_at_nodes(scheduler, probe_seconds=60, clock=clock)


async def _look_at(scheduler: Scheduler, clock: Callable[[], float] = time.time) -> Sighting:
    (seen,) = await _look(scheduler.address, clock)
    return seen


def test_nodes_are_seen_and_other_workers_are_not() -> None:
    async def look() -> tuple[str, Sighting]:
        async with open_scheduler() as scheduler, open_worker(scheduler, "a stranger"):
            async with open_node(scheduler, "n", slots=2) as node:
                return node.address, await _look_at(scheduler)

    address, seen = asyncio.run(look())

    assert ("n", address, 2) == (seen.node_id, seen.address, seen.slots)
    assert seen.answer is not None
    assert seen.answer.memory_available is not None


def test_a_node_that_does_not_answer_is_seen_without_an_answer() -> None:
    async def look() -> Sighting:
        async with open_scheduler() as scheduler, open_worker(scheduler, "n", {"id": "n", "slots": 1}):
            return await _look_at(scheduler)

    seen = asyncio.run(look())

    assert ("n", None) == (seen.node_id, seen.answer)


def test_the_age_of_a_heartbeat_is_by_the_clock_of_who_looks_and_never_of_the_future() -> None:
    async def look() -> list[float]:
        async with open_scheduler() as scheduler, open_node(scheduler):
            return [
                (await _look_at(scheduler, clock)).heartbeat_age for clock in (lambda: time.time() + 1e6, lambda: 0)
            ]

    ahead, behind = asyncio.run(look())

    assert 1e6 <= ahead < 1e6 + 60
    assert 0.0 == behind


@pytest.mark.parametrize("listens", [True, False], ids=["frozen", "gone"])
def test_a_scheduler_that_does_not_answer_is_told_of(listens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.05)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not listens:
            silent.close()
        with pytest.raises(InfrastructureError, match=r"the scheduler does not answer .TimeoutError"):
            asyncio.run(_look(f"tcp://127.0.0.1:{port}"))


def test_what_is_no_address_of_a_scheduler_is_told_of() -> None:
    with pytest.raises(InfrastructureError, match="the scheduler does not answer"):
        asyncio.run(_look("nonsense://somewhere"))
