"""The address of a scheduler, before anything is started."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import pulseq.cluster.scheduler_address as module
from pulseq.cluster.scheduler_address import CREDENTIALS_VARIABLE, check_scheduler, credentials_for
from pulseq.errors import InfrastructureError, UsageError
from pulseq.security.authority import Authority, make_credentials
from pulseq.security.credentials import Credentials, keep_credentials
from tests.dask_nodes import open_scheduler

OURS = make_credentials("ours")


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


@contextlib.asynccontextmanager
async def somebody(greeting: bytes) -> AsyncIterator[str]:
    """Something that listens, says its word and waits."""

    left = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await left.wait()


def test_what_speaks_otherwise_is_no_scheduler() -> None:
    async def check() -> None:
        async with somebody(b"SSH-2.0-OpenSSH_9.2\r\n") as address:
            with pytest.raises(InfrastructureError, match="no Dask scheduler answers at"):
                await check_scheduler(address)

    asyncio.run(check())


def test_what_says_nothing_may_want_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.05)

    async def check() -> None:
        async with somebody(b"") as address:
            with pytest.raises(InfrastructureError, match="it may want credentials"):
                await check_scheduler(address)

    asyncio.run(check())


def test_one_of_our_own_cluster_is_good() -> None:
    async def check() -> None:
        async with open_scheduler(OURS) as scheduler:
            await check_scheduler(scheduler.address, OURS)

    asyncio.run(check())


LAB = Authority.make("lab")
FOREIGN = make_credentials("lab")
EXPIRED = LAB.issue("lab1", timedelta(days=1), now=datetime.now(UTC) - timedelta(days=3))


@pytest.mark.parametrize(
    ("credentials", "told"),
    [
        (FOREIGN, "the credentials are of another site"),
        (Credentials(LAB.certificate, FOREIGN.certificate, FOREIGN.key), "the credentials are of another site"),
        (EXPIRED, "certificate of these credentials has expired"),
    ],
    ids=["of another site", "signed elsewhere", "expired"],
)
def test_one_that_does_not_take_these_credentials_is_told(credentials: Credentials, told: str) -> None:
    async def check() -> None:
        async with open_scheduler(LAB.issue("scheduler")) as scheduler:
            with pytest.raises(InfrastructureError, match=told):
                await check_scheduler(scheduler.address, credentials)

    asyncio.run(check())


def test_credentials_are_those_that_are_named_else_those_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_credentials("other")
    keep_credentials(tmp_path / "ours.pem", OURS)
    keep_credentials(tmp_path / "other.pem", other)
    monkeypatch.setenv(CREDENTIALS_VARIABLE, str(tmp_path / "other.pem"))

    assert OURS == credentials_for(tmp_path, "tls://lab:8786", tmp_path / "ours.pem")
    assert other == credentials_for(tmp_path, "tls://lab:8786")
    assert credentials_for(tmp_path, "tcp://lab:8786") is None


def test_an_address_that_asks_for_credentials_needs_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CREDENTIALS_VARIABLE, raising=False)

    with pytest.raises(UsageError, match="found 'tls://lab:8786', expected --credentials FILE"):
        credentials_for(tmp_path, "tls://lab:8786")


def test_credentials_for_an_address_that_takes_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--credentials: found the scheduler 'tcp://lab:1', expected .* 'tls://'"):
        credentials_for(tmp_path, "tcp://lab:1", tmp_path / "ours.pem")
