"""What a driver asks of its nodes, and what it hears when they do not answer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pulseq.cluster import node_client
from pulseq.cluster.node_client import NodeClient
from pulseq.models import SimulateBody, TestCase
from pulseq.protocol.coding import decode, encode
from pulseq.protocol.project_files import Done
from pulseq.protocol.to_node import Collect, DropArtifacts, FetchArtifact, LeaveRun, MakeWorkspace, Order
from pulseq.protocol.work import Dispatch, TestWork
from pulseq.pytest_sessions import Collection, PytestSpec

ORDER = Order("r", MakeWorkspace())
SPEC = PytestSpec("r", "unit", ("tests",), (), False, ".", None)


class Client:
    """A Dask client whose workers answer with `answers`, or never where there is none."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.scheduler: object | None = object()
        self.asked: list[str] = []
        self.orders: list[Order] = []
        self.rpc: Any = None

    async def run(self, _function: Any, order: bytes, *, workers: list[str], on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        self.asked += workers
        self.orders.append(decode(order, Order))
        if workers[0] not in self.answers:
            await asyncio.get_running_loop().create_future()
        return {workers[0]: self.answers[workers[0]]}


class Pool:
    """Connections of a client's own to these nodes; the orders that they got by them."""

    def __init__(self, *reached: str) -> None:
        self.reached = reached
        self.orders: list[Order] = []
        self.tried: list[str] = []
        self.answer: Any = encode(Done(place="/w"))

    def __call__(self, address: str) -> Pool:
        assert address in self.reached
        return self

    async def connect(self, address: str, *, timeout: float) -> object:  # noqa: ASYNC109 - it is Dask's
        self.tried.append(address)
        if address not in self.reached:
            raise ConnectionRefusedError(address)
        return object()

    def reuse(self, address: str, _connection: object) -> None:
        assert address in self.reached

    async def pulseq_take(self, *, order: Any) -> Any:
        self.orders.append(decode(order.data, Order))
        if self.answer is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def _send(client: Client, *, times: int = 1, members: frozenset[str] = frozenset()) -> Done:
    async def send() -> Done:
        nodes = NodeClient()
        nodes.bind(cast(Any, client), members.__contains__)
        for _ in range(times):
            done = await nodes.send_project("a", encode(ORDER))
        return done

    return asyncio.run(send())


def _client_with(pool: Pool, scheduler: str = "tls://127.0.0.1:8786") -> Client:
    client = Client(a=encode(Done(place="/w")))
    client.scheduler, client.rpc = SimpleNamespace(address=scheduler), pool
    return client


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


def test_a_project_goes_to_a_node_without_the_scheduler_between_where_both_have_this_machine() -> None:
    pool = Pool("a")
    client = _client_with(pool)

    assert Done(place="/w") == _send(client, times=2)
    assert ([], ["a"], [ORDER, ORDER]) == (client.asked, pool.tried, pool.orders)


@pytest.mark.parametrize("address", ["tls://lab1:8786", "tls://192.0.2.1:8786", "inproc://192.0.2.1/1/2", "", None])
def test_it_goes_by_a_scheduler_of_another_machine(address: Any) -> None:
    client = _client_with(Pool("a"), address)

    assert Done(place="/w") == _send(client)
    assert (["a"], [], [ORDER]) == (client.asked, client.rpc.tried, client.orders)


def test_it_goes_by_the_scheduler_where_the_node_cannot_be_connected_to() -> None:
    client = _client_with(Pool())

    assert Done(place="/w") == _send(client, times=2)
    assert (["a", "a"], ["a"]) == (client.asked, client.rpc.tried)


def test_a_node_that_dies_or_freezes_while_it_gets_a_project_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_client, "MEMBER_POLL_SECONDS", 0.001)
    client = _client_with(Pool("a"))
    for answer, words in ((ConnectionError("closed"), "closed"), (None, "the node at a is gone")):
        client.rpc.answer = answer
        with pytest.raises(OSError, match=words):
            _send(client)


def test_no_project_is_sent_over_a_closed_connection() -> None:
    client = _client_with(Pool("a"))
    client.scheduler = None
    with pytest.raises(ConnectionError, match="is closed"):
        _send(client)
