"""The connection of a driver to its scheduler, which is real."""

from __future__ import annotations

import asyncio

from pulseq.cluster.driver_client import connect_driver, refuses
from tests.dask_nodes import open_scheduler

PATIENCE_SECONDS = 60.0


def test_a_connection_that_breaks_is_over_for_good() -> None:
    async def check() -> None:
        async with open_scheduler() as scheduler:
            client = await connect_driver(scheduler.address, name="driver", node_timeout=5.0, credentials=None)
            scheduler.client_comms[client.id].abort()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while client.status != "closed" or client.id in scheduler.clients:  # noqa: ASYNC110 - no event tells it
                    await asyncio.sleep(0.001)
            assert client.scheduler is None

    asyncio.run(check())


def test_a_machine_that_refuses_says_that_nothing_listens_there_any_more() -> None:
    async def check() -> None:
        async with open_scheduler() as scheduler:
            assert not await refuses(scheduler.address)
        assert await refuses(scheduler.address)

    asyncio.run(check())


def test_what_cannot_be_reached_may_be_there_all_the_same() -> None:
    assert not asyncio.run(refuses("tls://no-such-machine.invalid:7777"))
