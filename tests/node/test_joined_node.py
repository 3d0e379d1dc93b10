"""What a node does that joins by itself, where its fleet does not want it; that it works is in tests/system."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from pulseq.errors import InfrastructureError, UsageError
from pulseq.node.joined_node import JoinedNode, JoinPlan, own_directory
from pulseq.protocol.welcome import NotWelcomeError
from pulseq.security.authority import make_credentials
from tests.accounts import SOMEBODY, needs_two_accounts
from tests.dask_nodes import open_scheduler

OURS = make_credentials("ours")


def plan(directory: Path, scheduler: str) -> JoinPlan:
    return JoinPlan(scheduler=scheduler, credentials=OURS, node_id="lab1", labels={}, slots=1, directory=directory)


def test_where_nobody_listens_it_is_told_at_once_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(InfrastructureError, match=r"no scheduler answers at .* \(Connection refused\): `pulseq up"):
        asyncio.run(JoinedNode(plan(tmp_path / "d", f"tls://127.0.0.1:{port}"), print).run())
    assert not (tmp_path / "d").exists()


def test_a_scheduler_of_another_site_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    async def check() -> None:
        async with open_scheduler(make_credentials("others")) as scheduler:
            with pytest.raises(NotWelcomeError, match="cannot be joined: the credentials are of another site"):
                await JoinedNode(plan(tmp_path / "d", scheduler.address), print).run()

    asyncio.run(check())
    assert not (tmp_path / "d").exists()


def test_what_is_no_address_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--scheduler: found 'lab', expected an address like 'tls://"):
        asyncio.run(JoinedNode(plan(tmp_path / "d", "lab"), print).run())


def test_one_directory_is_one_nodes(tmp_path: Path) -> None:
    with (
        own_directory(tmp_path / "d", lambda: True),
        pytest.raises(UsageError, match="this node runs here already"),
        own_directory(tmp_path / "d", lambda: True),
    ):
        pass
    assert (tmp_path / "d").exists()


def test_a_directory_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError), own_directory(tmp_path / "d", lambda: False):
        raise InfrastructureError("not wanted")

    assert not (tmp_path / "d").exists()


def test_a_directory_that_was_there_stays(tmp_path: Path) -> None:
    with own_directory(tmp_path, lambda: False):
        pass

    assert tmp_path.exists()


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(UsageError, match=r"cannot be used as the node's directory: Not a directory"),
        own_directory(tmp_path / "file" / "d", lambda: False),
    ):
        pass


@needs_two_accounts
def test_the_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    os.chown(tmp_path / "d", SOMEBODY, SOMEBODY)

    with pytest.raises(UsageError, match="belongs to"), own_directory(tmp_path / "d", lambda: False):
        pass
