"""Driver and nodes together, with messages that take any time: each promise is kept, each test runs once."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulseq.cluster.cluster import LiveNode
from pulseq.events import AttemptStarted, TestClosed
from pulseq.fleet import FrameworkConfig
from pulseq.models import AttemptResult, Key, PytestItemBody, Status, TestCase
from pulseq.node.node_slots import NodeSlots
from pulseq.node.run_on_node import RunOnNode
from pulseq.node.surroundings import Surroundings
from pulseq.protocol.from_node import NodeMessage
from pulseq.protocol.to_node import BodyVariables, NoNext
from pulseq.protocol.work import Dispatch, PytestWork
from pulseq.pytest_sessions import Following, PytestOrder, PytestSpec
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.run_queue import RunQueue
from pulseq.run.work_stealing import units_of
from tests.reports_home import said_by
from tests.run.told import Told

SPECS = {entry: PytestSpec("r", entry, ("tests",), (), False, ".", None) for entry in ("unit", "other")}


class Prefect:
    """Performs each piece of work once."""

    async def perform(self, work: PytestWork, perform: Any, task_run_id: UUID) -> None:
        await perform(0, str(task_run_id))

    async def leave(self) -> None:
        return None


@dataclass(eq=False)
class Batch:
    """Items that run: `first` are begun, the next one is told to pytest already."""

    orders: list[PytestOrder]
    first: int = 0


class Session:
    """Runs items in some turns of the loop each, and gives back the last ones."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._batches: list[Batch] = []

    async def run_items(
        self,
        orders: Sequence[PytestOrder],
        *,
        on_start: Callable[[PytestOrder], None],
        on_result: Callable[[AttemptResult], None],
        fresh: bool,
        ask_next: Callable[[], Awaitable[Following]],
        **_: Any,
    ) -> None:
        batch = Batch(list(orders))
        self._batches.append(batch)
        self._node.begin_batch(orders[0])
        following = Following()
        try:
            while batch.first < len(batch.orders):
                order = batch.orders[batch.first]
                batch.first += 1
                if batch.first == len(batch.orders) and not fresh:
                    following = await ask_next()
                on_start(order)
                await self._node.turns()
                on_result(AttemptResult(order.test_id, order.attempt, self._node.name, Status.PASSED))
        finally:
            self._batches.remove(batch)
            self._node.running -= 1
        self._node.promise(following.order)

    async def take_back(self, orders: AbstractSet[PytestOrder]) -> tuple[PytestOrder, ...]:
        await self._node.turns()
        back: list[PytestOrder] = []
        for batch in self._batches:
            while len(batch.orders) > batch.first + 1 and batch.orders[-1] in orders:
                back.append(batch.orders.pop())
        return tuple(back)

    async def stop(self, _orders: AbstractSet[PytestOrder], _reason: object) -> None:
        return None

    async def close(self) -> None:
        return None


@dataclass(eq=False)
class Node:
    """A node of a run: its side is the real one, but for pytest and Prefect."""

    name: str
    slots: int
    chance: random.Random
    to_driver: Callable[[str, list[NodeMessage]], None]
    running: int = 0
    most_running: int = 0
    promised: list[PytestOrder | None] = field(default_factory=list)
    kept: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        agent = SimpleNamespace(
            node_slots=NodeSlots(self.slots),
            send=lambda _run_id, messages: self._tell(messages),
            temp_root=Path(tempfile.gettempdir()),
            note_leaked=lambda processes: None,
            note_death=None,
        )
        self.run = RunOnNode(cast(Any, agent), "r", Surroundings.of(BodyVariables(), {}))
        self.run._task_runs = cast(Any, Prefect())
        self.run._sessions = {spec: cast(Any, Session(self)) for spec in SPECS.values()}
        self.run._outbox = cast(Any, SimpleNamespace(put=lambda one, busy=False: self._tell([one]), flush=lambda: None))
        self._told: asyncio.Queue[list[NodeMessage]] = asyncio.Queue()
        self.start(self._carry())

    def start(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(doing)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def turns(self) -> None:
        for _ in range(self.chance.choice((0, 1, 3, 20))):
            await asyncio.sleep(0)

    def _tell(self, messages: list[NodeMessage]) -> None:
        self._told.put_nowait(messages)

    async def _carry(self) -> None:
        while True:
            messages = await self._told.get()
            await self.turns()
            self.to_driver(self.name, messages)

    def begin_batch(self, first: PytestOrder) -> None:
        """What was promised to the slot that is free now, where there is one slot, or to one of them."""
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        if first in self.promised:
            self.promised.remove(first)
            self.kept += 1
        elif self.slots == 1:
            assert not [order for order in self.promised if order is not None]
        self.promised = [order for order in self.promised if order is not None]

    def promise(self, order: PytestOrder | None) -> None:
        self.promised.append(order)


class Fleet:
    """A cluster and its runner; what it sends arrives after any number of turns, in any order."""

    def __init__(self, slots: Iterable[int], chance: random.Random) -> None:
        self.of_name = {
            f"n{number}": Node(f"n{number}", count, chance, self._hear) for number, count in enumerate(slots)
        }
        self.nodes = {name: LiveNode(name, name, "here", node.slots, {}) for name, node in self.of_name.items()}
        self.marks: dict[str, Any] = {}
        self.dispatcher: Dispatcher

    def _hear(self, node: str, messages: list[NodeMessage]) -> None:
        if node in self.nodes:
            self.dispatcher.receive(said_by(node, *messages))

    def send(self, dispatch: Dispatch, address: str, **_: Any) -> None:
        self._later(address, lambda run: run.handle(dispatch))

    async def begin_run(self, *_: Any) -> None:
        return None

    async def ask_back(self, _run_id: str, address: str, key: str, tests: list[Key]) -> None:
        self._later(address, lambda run: run.give_back(key, frozenset(tests)))

    async def no_next(self, _run_id: str, address: str, answer: NoNext) -> None:
        self._later(address, lambda run: run.do(answer))

    def _later(self, address: str, act: Callable[[RunOnNode], Coroutine[Any, Any, None]]) -> None:
        node = self.of_name[address]

        async def arrive() -> None:
            await node.turns()
            await act(node.run)

        node.start(arrive())

    async def lose(self, name: str) -> None:
        del self.nodes[name]
        for task in list(self.of_name[name].tasks):
            task.cancel()
        self.dispatcher.lose_node(name, "it was killed")


def cases_of(count: int, chance: random.Random, scopes: bool) -> list[TestCase]:
    cases = []
    for number in range(count):
        entry = "unit" if number < count * 3 // 4 else "other"
        nodeid = f"test_{number // 10}.py::t{number}"
        scope = f"s{number // 4}" if scopes and number % 8 < 4 else None
        seconds = chance.choice((None, 0.01, 0.3, 2.0))
        cases.append(TestCase(f"{entry}::{nodeid}", PytestItemBody(entry, nodeid, scope), duration=seconds))
    return cases


async def steal(fleet: Fleet, chance: random.Random) -> None:
    """Ask back the last of what any dispatch has, also where no slot is idle."""
    dispatcher = fleet.dispatcher
    for _ in range(200):
        await asyncio.sleep(0)
        in_flight = list(dispatcher.in_flight.by_key.items())
        if in_flight and chance.random() < 0.3:
            key, dispatch = chance.choice(in_flight)
            units = units_of(dispatch)
            wanted = units[chance.randint(0, len(units)) :]
            dispatcher._ask_back(key, dispatch.node_id, [test.key for unit in wanted for test in unit])


async def run_all(fleet: Fleet, cases: list[TestCase], events: Told, chance: random.Random, lost: str | None) -> None:
    dispatcher = fleet.dispatcher = Dispatcher(
        "r", cast(Any, fleet), cast(Any, fleet), events.ledger(), RunQueue(FrameworkConfig()), specs=SPECS
    )
    for case in cases:
        dispatcher.accept(case)
    await dispatcher.begin()
    running = asyncio.create_task(dispatcher.run())
    stealing = asyncio.create_task(
        steal(fleet, chance) if len(fleet.nodes) > 1 or fleet.of_name["n0"].slots > 1 else asyncio.sleep(0)
    )
    if lost is not None:
        await fleet.of_name[lost].turns()
        while not any(isinstance(event, AttemptStarted) and event.node_id == lost for event in events):
            await asyncio.sleep(0)
            if running.done():
                break
        await fleet.lose(lost)
    await asyncio.wait_for(running, 60)
    await stealing
    for name in fleet.nodes:
        for task in fleet.of_name[name].tasks:
            task.cancel()


def assert_scopes_are_whole(cases: list[TestCase], began: list[tuple[str, str]], slots: tuple[int, ...]) -> None:
    node_of = dict(began)
    for scope in {case.body.scope for case in cases if isinstance(case.body, PytestItemBody)} - {None}:
        members = [case.id for case in cases if isinstance(case.body, PytestItemBody) and case.body.scope == scope]
        (node,) = {node_of[member] for member in members}
        if slots[int(node[1:])] == 1:
            there = [test_id for test_id, other in began if other == node]
            assert members == there[there.index(members[0]) :][: len(members)]


@pytest.mark.parametrize("slots", [(1,), (2,), (1, 1, 1), (2, 1)], ids=str)
@given(seed=st.integers(0, 2**32), scopes=st.booleans(), lose=st.booleans())
@settings(max_examples=15, deadline=None)
def test_whatever_crosses_promises_are_kept_and_each_test_runs_once(
    slots: tuple[int, ...], seed: int, scopes: bool, lose: bool
) -> None:
    chance = random.Random(seed)
    cases = cases_of(40, chance, scopes)
    events = Told()

    async def tell() -> Fleet:
        fleet = Fleet(slots, chance)
        await run_all(fleet, cases, events, chance, "n0" if lose and len(slots) > 1 else None)
        return fleet

    fleet = asyncio.run(tell())

    verdicts = {event.test_id: event.status for event in events if isinstance(event, TestClosed)}
    started = [(event.test_id, event.attempt) for event in events if isinstance(event, AttemptStarted)]
    assert dict.fromkeys((case.id for case in cases), Status.PASSED) == verdicts
    assert len(started) == len(set(started))
    assert all(node.most_running <= node.slots for node in fleet.of_name.values())
    began = [(event.test_id, event.node_id) for event in events if isinstance(event, AttemptStarted)]
    if slots == (1,) and not scopes:
        assert [case.id for case in cases] == [test_id for test_id, _ in began]
    if len(fleet.nodes) == len(slots):
        assert_scopes_are_whole(cases, began, slots)
    living = [fleet.of_name[name] for name in fleet.nodes]
    assert [] == [order for node in living for order in node.promised if order is not None]
