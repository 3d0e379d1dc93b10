"""The address of a scheduler, before anything is started."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pulseq.cluster.scheduler_address import check_scheduler
from pulseq.errors import InfrastructureError, UsageError
from tests.dask_nodes import open_scheduler


def test_one_that_listens_is_good() -> None:
    async def check() -> None:
        async with open_scheduler() as scheduler:
            await check_scheduler(scheduler.address)
            await check_scheduler(scheduler.address.removeprefix("tcp://"))

    asyncio.run(check())


@pytest.mark.parametrize("address", ["", "scheduler", "tcp://host", "tcp://host:port"])
def test_what_is_no_address_is_refused_with_one_that_is(address: str) -> None:
    with pytest.raises(UsageError, match=f"--scheduler: found '{address}', expected an address like 'tcp://"):
        asyncio.run(check_scheduler(address))


def test_where_nobody_listens_it_is_said_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"

    with pytest.raises(InfrastructureError, match=r"no Dask scheduler answers at .*ConnectionRefused.*leave out --sch"):
        asyncio.run(check_scheduler(address))
