"""What a node does with dispatches, with a session and a Prefect that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from pulseq.models import AttemptResult, SimulateBody, TestCase
from pulseq.node.node_slots import NodeSlots
from pulseq.node.run_on_node import RunOnNode
from pulseq.node.surroundings import Surroundings
from pulseq.protocol.from_node import DispatchDone, MachineLacks, NextAsked, NodeMessage, TestsGivenBack
from pulseq.protocol.to_node import BodyVariables, NoNext
from pulseq.protocol.work import Dispatch, PytestWork, TestWork
from pulseq.pytest_sessions import Following, PytestOrder, PytestSpec

SPEC = PytestSpec("r", "unit", ("tests",), (), False, ".", None)
AskNext = Callable[[], Awaitable[Following]]


class Prefect:
    """Performs each piece of work once."""

    async def perform(self, work: TestWork | PytestWork, perform: Any, task_run_id: UUID) -> None:
        await perform(0, str(task_run_id))


class Session:
    """Runs batches: each asks what follows it, and ends when it is told to."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.followed_by: dict[str, str | None] = {}
        self.may_end: dict[str, asyncio.Event] = {}

    async def run_items(self, orders: Sequence[PytestOrder], *, ask_next: AskNext, **_: Any) -> None:
        name = orders[0].test_id
        self.began.append(name)
        following = (await ask_next()).order
        self.followed_by[name] = following.test_id if following is not None else None
        await self.may_end.setdefault(name, asyncio.Event()).wait()

    async def stop(self, orders: frozenset[PytestOrder], _reason: Any) -> None:
        for order in orders:
            self.may_end.setdefault(order.test_id, asyncio.Event()).set()


class Node:
    """A run on a node with so many slots, and what it has told."""

    def __init__(self, slots: int = 1, temp_root: Path = Path("/")) -> None:
        self.told: list[NodeMessage] = []
        self.session = Session()
        self.slots = NodeSlots(slots)
        agent = SimpleNamespace(
            node_slots=self.slots,
            send=lambda _run_id, messages: self.told.extend(messages),
            temp_root=temp_root,
            note_death=None,
        )
        self.run = RunOnNode(cast(Any, agent), "r", Surroundings.of(BodyVariables(), {}))
        self.run._task_runs = cast(Any, Prefect())
        self.run._sessions[SPEC] = cast(Any, self.session)
        self.handling: list[asyncio.Task[None]] = []

    async def get(self, key: str, *names: str, after: str | None = None) -> None:
        """A dispatch comes with a task run for each name."""
        work = tuple(PytestWork(name, SPEC, (PytestOrder(name, "", name),)) for name in names)
        dispatch = Dispatch(key, "r", work, tuple(uuid4() for _ in work), after)
        self.handling.append(asyncio.create_task(self.run.handle(dispatch)))
        await settle()

    async def end(self, name: str) -> None:
        self.session.may_end[name].set()
        await settle()

    def done(self) -> list[str]:
        return [message.key for message in self.told if isinstance(message, DispatchDone)]

    def asked(self) -> list[str]:
        return [message.key for message in self.told if isinstance(message, NextAsked)]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def on_node(story: Callable[[Node], Coroutine[Any, Any, None]], slots: int = 1, temp_root: Path = Path("/")) -> Node:
    async def tell() -> Node:
        node = Node(slots, temp_root)
        await story(node)
        await asyncio.wait_for(asyncio.gather(*node.handling), 60)
        await node.run.want.close()
        return node

    return asyncio.run(tell())


def test_the_next_item_is_that_of_the_dispatch_that_the_driver_sends() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        assert node.asked() == ["1"]
        await node.get("2", "b", after="1")
        await node.end("a")
        await node.run.do(NoNext("2"))
        await settle()
        await node.end("b")

    assert {"a": "b", "b": None} == on_node(story).session.followed_by


def test_what_waits_on_the_node_follows_without_a_question() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        await node.get("2", "b")
        await node.run.do(NoNext("1"))
        await settle()
        await node.end("a")
        await node.get("3", "c")
        await node.run.do(NoNext("2"))
        await settle()
        await node.end("b")
        await node.run.do(NoNext("3"))
        await settle()
        await node.end("c")

    assert {"a": "b", "b": "c", "c": None} == on_node(story).session.followed_by


def test_a_dispatch_never_begins_before_the_one_that_it_follows_is_done() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        await node.get("2", "b", after="1")
        assert node.session.began == ["a"]
        assert node.run.dispatches == 1
        await node.end("a")
        assert node.session.began == ["a", "b"]
        await node.run.do(NoNext("2"))
        await settle()
        await node.end("b")

    assert ["1", "2"] == on_node(story, slots=2).done()


def test_no_more_run_than_there_are_slots() -> None:
    async def story(node: Node) -> None:
        for key, name in (("1", "a"), ("2", "b"), ("3", "c")):
            await node.get(key, name)
        assert node.session.began == ["a", "b"]
        await node.run.cancel()

    on_node(story, slots=2)


def test_the_promised_item_is_not_given_back() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        await node.get("2", "b", "c", after="1")
        await node.run.give_back("2", frozenset({("b", ""), ("c", "")}))
        await node.end("a")
        await node.run.do(NoNext("2"))
        await settle()
        await node.end("b")

    node = on_node(story)
    assert [TestsGivenBack("2", (("c", ""),))] == [one for one in node.told if isinstance(one, TestsGivenBack)]
    assert node.session.began == ["a", "b"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_run_that_is_cancelled_while_it_asks_ends(waits: bool) -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        if waits:
            await node.get("2", "b", after="1")
        await node.run.cancel()

    node = on_node(story)
    assert {"a": "b" if waits else None} == node.session.followed_by
    assert node.session.began == ["a"]
    assert sorted(node.done()) == (["1", "2"] if waits else ["1"])


def test_what_its_machine_has_no_space_for_is_given_back_and_the_driver_knows_why_first() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a", "b")

    node = on_node(story, temp_root=Path("/gone"))
    lacks, back, done = node.told
    assert isinstance(lacks, MachineLacks)
    assert (TestsGivenBack("1", (("a", ""), ("b", ""))), DispatchDone("1")) == (back, done)
    assert [] == node.session.began


def test_what_comes_after_a_dispatch_that_is_done_waits_for_any_slot() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        await node.run.do(NoNext("1"))
        await settle()
        await node.end("a")
        await node.get("2", "b", after="1")
        await node.run.do(NoNext("2"))
        await settle()
        await node.end("b")

    assert ["1", "2"] == on_node(story).done()


def test_a_question_says_what_the_node_has() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        await node.get("2", "b")
        await node.run.cancel()

    node = on_node(story, slots=2)
    held = [message.held for message in node.told if isinstance(message, NextAsked)]
    assert held == [frozenset("1"), frozenset("12")]


def test_a_simulated_dispatch_waits_for_its_slot_too() -> None:
    async def story(node: Node) -> None:
        await node.get("1", "a")
        work = TestWork("x", TestCase("x", SimulateBody()), 1, 0)
        performed = []

        async def perform(*_: Any, **__: Any) -> AttemptResult:
            performed.append(node.done())
            return cast(Any, None)

        node.run._perform_test = perform  # type: ignore[method-assign]
        dispatch = Dispatch("2", "r", (work,), (uuid4(),), "1")
        node.handling.append(asyncio.create_task(node.run.handle(dispatch)))
        await settle()
        assert performed == []
        await node.end("a")
        assert performed == [["1"]]

    on_node(story)


def test_what_a_run_tells_has_no_secrets() -> None:
    told: list[NodeMessage] = []
    agent = SimpleNamespace(
        node_slots=NodeSlots(1),
        send=lambda _run_id, messages: told.extend(messages),
        temp_root=Path("/nonexistent"),
        note_death=None,
    )

    async def story() -> None:
        around = Surroundings.of(BodyVariables({}, ("hunter2",)), {})
        run = RunOnNode(cast(Any, agent), "r", around)
        run.tell(DispatchDone("1", "it is hunter2"))
        run._outbox.flush()

    asyncio.run(story())
    assert told == [DispatchDone("1", "it is ***")]
