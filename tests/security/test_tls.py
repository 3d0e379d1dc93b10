"""A cluster of Dask's whose members have credentials: who is of it, and who is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from distributed import Client, rpc

from pulseq.security.authority import make_credentials
from pulseq.security.credentials import Credentials
from pulseq.security.tls import connection_args, security_of
from tests.dask_nodes import open_node, open_scheduler

OURS = make_credentials("ours")


async def _ask(address: str, credentials: Credentials | None) -> Any:
    asker: Any = rpc(address, connection_args=connection_args(credentials), timeout=5)  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(30):
            return await asker.identity(n_workers=-1)
    finally:
        await asker.close_rpc()


def test_members_work_for_each_other() -> None:
    async def check() -> None:
        async with (
            open_scheduler(OURS) as scheduler,
            open_node(scheduler) as node,
            Client(  # type: ignore[no-untyped-call]
                scheduler.address, asynchronous=True, set_as_default=False, security=security_of(OURS)
            ) as client,
        ):
            assert scheduler.address.startswith("tls://")
            assert node.address.startswith("tls://")
            assert 3 == await client.submit(sum, [1, 2])  # sent by the scheduler
            assert {node.address: 3} == await client.run(sum, [1, 2])  # asked through it
            assert "Scheduler" == (await _ask(scheduler.address, OURS))["type"]

    asyncio.run(check())


@pytest.mark.parametrize("credentials", [None, make_credentials("others")], ids=["none", "others"])
def test_nobody_else_is_answered(credentials: Credentials | None) -> None:
    async def check() -> None:
        async with open_scheduler(OURS) as scheduler, open_node(scheduler) as node:
            for address in (scheduler.address, node.address):
                told = address if credentials else address.replace("tls://", "tcp://")
                with pytest.raises(OSError):
                    await _ask(told, credentials)

    asyncio.run(check())


def test_a_member_speaks_to_nobody_who_has_no_credentials() -> None:
    async def check() -> None:
        async with open_scheduler() as scheduler:
            with pytest.raises(RuntimeError, match="encryption required"):
                await _ask(scheduler.address, OURS)

    asyncio.run(check())


def test_without_credentials_it_is_as_dask_has_it_configured() -> None:
    assert security_of(None) is None
    assert connection_args(None) is None
