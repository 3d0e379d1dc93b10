"""Which call goes to which node, and what becomes of it when nodes come and go; Dask's part is played by a double."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from distributed.client import FutureCancelledError

from pulseq.cluster import node_queue
from pulseq.cluster.node_queue import NodeQueue
from pulseq.errors import InfrastructureError, NoNodeFitsError
from pulseq.marks import MarkState, NodeMark
from pulseq.protocol.coding import PROTOCOL, decode, encode
from pulseq.protocol.to_node import Order, RunTask

CHROME = {"browser": "chrome"}


class Sent(asyncio.Future[bytes]):
    """What Dask gives for a call that was sent."""

    def release(self) -> None:
        pass


class Nodes:
    """The nodes of a queue: they join and leave, and answer what they were sent."""

    def __init__(self) -> None:
        self.status = "running"
        self.queue = NodeQueue("flow")
        self.cluster = self.queue._cluster
        self.cluster.client = self
        self.queue._client.bind(cast(Any, self))
        self.scheduler = self
        self.cluster.on_joined = lambda _: self.queue._send_all()
        self.cluster.on_left = self.queue._lose
        self.cluster.on_lost = self.queue._lose_scheduler
        self.cluster.on_marked = self.queue._heed_mark
        self.sent: list[tuple[str, bytes, Sent]] = []

    def submit(self, _function: Any, order: bytes, *, workers: list[str], **_: Any) -> Sent:
        task = decode(order, Order).message
        assert isinstance(task, RunTask)
        self.sent.append((workers[0], task.request, Sent()))
        return self.sent[-1][2]

    async def run(self, _function: Any, _order: bytes, *, workers: list[str], **_: Any) -> dict[str, bytes]:
        """Farewell to the nodes."""
        return dict.fromkeys(workers, encode(None))

    async def close(self, **_: Any) -> None:
        """Farewell to the scheduler."""

    def join(self, node_id: str, slots: int = 1, **capabilities: Any) -> None:
        labels = {"id": node_id, "slots": slots, "capabilities": capabilities, "incarnation": str(len(self.sent))}
        labels["protocol"] = PROTOCOL
        self.cluster._joined(node_id, labels)

    def mark(self, node_id: str, state: MarkState) -> None:
        self.cluster._note_mark(NodeMark(node_id, state))

    def leave(self, node_id: str) -> None:
        self.cluster._left(node_id, "it has died")

    def call(self, name: str, **requirements: Any) -> asyncio.Task[bytes]:
        return asyncio.create_task(self.queue.call(requirements, RunTask(b"", name.encode())))

    @property
    def at(self) -> list[tuple[str, str]]:
        """Where calls are that have no answer."""
        return [(node, call.decode()) for node, call, answer in self.sent if not answer.done()]

    async def answer(self, name: str) -> None:
        next(sent for _, call, sent in self.sent if call == name.encode() and not sent.done()).set_result(
            encode(b"done")
        )
        await settle()

    async def answer_soon(self, name: str) -> None:
        await settle()
        await self.answer(name)


async def settle() -> None:
    """Until nothing happens any more that only waits for its turn."""
    for _ in range(10):
        await asyncio.sleep(0)


def with_nodes(test: Callable[[Nodes], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    async def run() -> None:
        nodes = Nodes()
        try:
            await test(nodes)
        finally:
            await nodes.queue.close()

    def call() -> None:
        asyncio.run(run())

    call.__name__ = test.__name__
    return call


@with_nodes
async def test_a_call_goes_to_a_node_that_fits_and_its_answer_comes_back(nodes: Nodes) -> None:
    nodes.join("one", browser="firefox")
    nodes.join("two", browser="chrome")
    call = nodes.call("a", **CHROME)
    await settle()

    assert [("two", "a")] == nodes.at
    await nodes.answer("a")
    assert b"done" == await call


@with_nodes
async def test_a_node_has_no_more_calls_than_slots(nodes: Nodes) -> None:
    nodes.join("one", slots=2)
    calls = [nodes.call(name) for name in "abc"]
    await settle()

    assert [("one", "a"), ("one", "b")] == nodes.at
    await nodes.answer("b")
    assert [("one", "a"), ("one", "c")] == nodes.at
    for name in "ac":
        await nodes.answer(name)
    assert [b"done"] * 3 == await asyncio.gather(*calls)


@with_nodes
async def test_a_node_that_joins_later_gets_what_waits(nodes: Nodes) -> None:
    nodes.join("one")
    for name in "ab":
        nodes.call(name)
    await settle()
    nodes.join("late")

    await settle()
    assert [("one", "a"), ("late", "b")] == nodes.at


@with_nodes
async def test_a_call_for_any_node_leaves_the_scarce_one_to_those_that_need_it(nodes: Nodes) -> None:
    nodes.join("scarce", browser="chrome")
    nodes.call("chrome", **CHROME)
    nodes.call("more chrome", **CHROME)
    await settle()
    nodes.call("any")
    await settle()
    nodes.join("plain")
    await settle()

    assert [("scarce", "chrome"), ("plain", "any")] == nodes.at


@with_nodes
async def test_a_call_that_no_node_fits_ends_at_once_with_the_nearest_miss(nodes: Nodes) -> None:
    nodes.join("two", browser="firefox")
    nodes.join("one", browser="chrome")

    with pytest.raises(NoNodeFitsError, match="no node fits browser=safari: nearest is one, which has browser=chrome"):
        await nodes.queue.call({"browser": "safari"}, RunTask(b"", b"a"))


@with_nodes
async def test_without_nodes_a_call_ends_at_once(nodes: Nodes) -> None:
    nodes.cluster.address = "tcp://here:1"

    with pytest.raises(NoNodeFitsError, match="the scheduler at 'tcp://here:1' has no PulseQ node"):
        await nodes.queue.call({}, RunTask(b"", b"a"))


@with_nodes
async def test_what_a_node_raises_is_raised(nodes: Nodes) -> None:
    nodes.join("one")
    call = nodes.call("a")
    await settle()
    nodes.sent[0][2].set_exception(InfrastructureError("its process has ended"))

    with pytest.raises(InfrastructureError, match="its process has ended"):
        await call


@with_nodes
async def test_a_call_whose_node_is_lost_goes_first_to_another(nodes: Nodes) -> None:
    nodes.join("one")
    for name in "ab":
        nodes.call(name)
    await settle()
    nodes.leave("one")
    nodes.join("two")

    await settle()
    assert [("two", "a")] == nodes.at


@with_nodes
async def test_a_call_that_loses_three_nodes_is_given_up(nodes: Nodes) -> None:
    nodes.join("n0")
    call = nodes.call("a")
    for number in range(3):
        await settle()
        nodes.leave(f"n{number}")
        nodes.join(f"n{number + 1}")

    with pytest.raises(InfrastructureError, match=r"it was lost with its nodes \(n0, n1, n2\); it has died"):
        await call


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_call_waits_a_while_for_the_only_node_that_fitted(comes_back: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_queue, "COMES_BACK_SECONDS", 60.0 if comes_back else 0.0)

    @with_nodes
    async def main(nodes: Nodes) -> None:
        nodes.join("one", browser="chrome")
        await asyncio.gather(nodes.call("a", **CHROME), nodes.answer_soon("a"))
        nodes.leave("one")
        call = nodes.call("b", **CHROME)
        if comes_back:
            await settle()
            nodes.join("one", browser="chrome")
            await asyncio.gather(call, nodes.answer_soon("b"))
        else:
            with pytest.raises(NoNodeFitsError, match="no node fits browser=chrome: there are no nodes"):
                await call

    main()


@with_nodes
async def test_a_scheduler_that_is_gone_ends_what_waits_and_what_runs(nodes: Nodes) -> None:
    nodes.cluster.address = "tcp://here:1"
    nodes.join("one")
    calls = [nodes.call(name) for name in "ab"]
    await settle()
    nodes.cluster._lose_scheduler()

    for call in [*calls, nodes.call("later")]:
        with pytest.raises(InfrastructureError, match="the Dask scheduler at 'tcp://here:1' is gone, and the nodes"):
            await call


@with_nodes
async def test_what_is_under_way_when_the_link_breaks_runs_where_nodes_are_back(nodes: Nodes) -> None:
    nodes.join("one")
    calls = [nodes.call(name) for name in "ab"]
    await settle()
    nodes.status = "closed"
    nodes.sent[0][2].set_exception(FutureCancelledError("a", "the client has ended"))
    calls.append(nodes.call("c"))
    await settle()
    assert 1 == len(nodes.sent)

    nodes.leave("one")
    await settle()
    nodes.status = "running"
    nodes.join("one", slots=3)
    await settle()
    assert [("one", "a"), ("one", "b"), ("one", "c")] == nodes.at
    for name in "abc":
        await nodes.answer(name)
    assert [b"done"] * 3 == await asyncio.gather(*calls)


@with_nodes
async def test_what_is_under_way_when_the_link_breaks_ends_with_the_scheduler(nodes: Nodes) -> None:
    nodes.join("one")
    call = nodes.call("a")
    await settle()
    nodes.status = "closed"
    nodes.sent[0][2].set_exception(FutureCancelledError("a", "the client has ended"))
    await settle()
    assert not call.done()

    nodes.cluster._lose_scheduler()
    with pytest.raises(InfrastructureError, match="is gone, and the nodes with it"):
        await call


@with_nodes
async def test_a_node_that_is_marked_gets_no_call_until_it_is_opened(nodes: Nodes) -> None:
    nodes.join("one", **CHROME)
    nodes.join("two")
    nodes.mark("one", MarkState.CORDONED)
    call = nodes.call("a", **CHROME)
    anywhere = nodes.call("b")
    await settle()
    assert [("two", "b")] == nodes.at

    nodes.mark("one", MarkState.OPEN)
    await nodes.answer_soon("a")
    await nodes.answer("b")
    assert [b"done", b"done"] == [await call, await anywhere]


@with_nodes
async def test_a_call_that_only_a_marked_node_fits_ends_with_the_mark(nodes: Nodes) -> None:
    nodes.join("one", **CHROME)
    nodes.mark("one", MarkState.DRAINING)
    call = nodes.call("a", **CHROME)
    await settle()
    nodes.queue._stop_hoping()

    with pytest.raises(NoNodeFitsError, match=r"no node that fits gets tests \(one is draining\)"):
        await call
