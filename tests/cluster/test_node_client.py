"""What a driver asks of its nodes, and what it hears when they do not answer."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pulseq.cluster import node_client
from pulseq.cluster.node_client import NodeClient
from pulseq.models import Collection, PytestSpec, SimulateBody, TestCase
from pulseq.protocol.coding import decode, encode
from pulseq.protocol.to_node import Collect, DropArtifacts, FetchArtifact, LeaveRun, Order
from pulseq.protocol.work import Dispatch, TestWork

SPEC = PytestSpec("r", "unit", ("tests",), (), False, ".", None)


class Client:
    """A Dask client whose workers answer with `answers`, or never where there is none."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.scheduler: object | None = object()
        self.asked: list[str] = []
        self.orders: list[Order] = []

    async def run(self, _function: Any, order: bytes, *, workers: list[str], on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        self.asked += workers
        self.orders.append(decode(order, Order))
        if workers[0] not in self.answers:
            await asyncio.get_running_loop().create_future()
        return {workers[0]: self.answers[workers[0]]}


def _leave(client: Client, *addresses: str, members: frozenset[str] = frozenset()) -> None:
    nodes = NodeClient()
    nodes.bind(cast(Any, client), members.__contains__)
    asyncio.run(nodes.leave_run("r", list(addresses)))


def test_every_node_is_asked() -> None:
    client = Client(a=None, b=None)

    _leave(client, "a", "b")

    assert client.asked == ["a", "b"]
    assert [Order("r", LeaveRun())] * 2 == client.orders


def test_a_frozen_node_is_waited_for_until_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_client, "MEMBER_POLL_SECONDS", 0.001)
    client = Client(a=None)

    _leave(client, "a", "frozen", members=frozenset({"a"}))

    assert client.asked == ["a", "frozen"]


def test_a_node_that_is_gone_is_no_error() -> None:
    client = Client(a=ConnectionError("closed"))

    _leave(client, "a")

    assert client.asked == ["a"]


def test_what_a_node_raises_is_raised_here() -> None:
    with pytest.raises(KeyError):
        _leave(Client(a=KeyError("r")), "a")


def test_nobody_is_asked_over_a_closed_connection() -> None:
    client = Client(a=None)
    client.scheduler = None

    with pytest.raises(ConnectionError, match="is closed"):
        _leave(client, "a")


def test_a_node_that_dies_while_it_collects_is_an_os_error() -> None:
    nodes = NodeClient()
    nodes.bind(cast(Any, Client(a=ConnectionError("closed"))))

    with pytest.raises(OSError, match="closed"):
        asyncio.run(nodes.collect("r", "a", SPEC))


def test_what_a_node_has_collected_comes_as_bytes() -> None:
    nodes, client = NodeClient(), Client(a=encode(Collection((), deselected=2)))
    nodes.bind(cast(Any, client))

    assert Collection((), deselected=2) == asyncio.run(nodes.collect("r", "a", SPEC))
    assert [Order("r", Collect(SPEC))] == client.orders


def test_what_cannot_travel_is_trouble_of_its_dispatch_alone() -> None:
    troubles: list[tuple[str, str]] = []
    test = TestCase("t", SimulateBody(), labels={"thing": object()})

    async def send() -> None:
        nodes = NodeClient()
        nodes.bind(cast(Any, Client()))
        dispatch = Dispatch("1", "r", (TestWork("t", test, 1, 0),), ())
        nodes.send(dispatch, "a", priority=0, on_trouble=lambda key, why: troubles.append((key, why)))
        assert [] == troubles  # its sender goes on
        await asyncio.sleep(0)

    asyncio.run(send())
    [(key, why)] = troubles
    assert ("1", "it cannot be sent to a node") == (key, why.partition(":")[0])


@pytest.mark.parametrize("data", [b"\x00\xff part", b"", None])
def test_a_part_of_what_an_attempt_left_comes_as_bytes(data: bytes | None) -> None:
    nodes, client = NodeClient(), Client(a=encode(data))
    nodes.bind(cast(Any, client))

    assert data == asyncio.run(nodes.fetch_artifact("r", "a", "f00d", 10, 20))
    assert [Order("r", FetchArtifact("f00d", 10, 20))] == client.orders


def test_a_node_that_dies_while_it_is_asked_for_a_file_is_an_os_error() -> None:
    nodes = NodeClient()
    nodes.bind(cast(Any, Client(a=ConnectionError("closed"))))

    with pytest.raises(OSError, match="closed"):
        asyncio.run(nodes.fetch_artifact("r", "a", "f00d", 0, 1))


def test_a_node_that_is_gone_need_not_forget_files() -> None:
    nodes, client = NodeClient(), Client(a=ConnectionError("closed"))
    nodes.bind(cast(Any, client))

    asyncio.run(nodes.drop_artifacts("r", "a", ["f00d"]))

    assert [Order("r", DropArtifacts(frozenset({"f00d"})))] == client.orders
