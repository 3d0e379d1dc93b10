"""What a run makes of looks at its nodes: all of it is real but the way to the nodes, which notes what goes there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.health_watch import HealthChange, Look
from pulseq.events import NodeHealth, NodeJoined, NodeLost
from pulseq.fleet import FrameworkConfig
from pulseq.models import Liveness, SimulateBody, TestCase
from pulseq.protocol.work import Dispatch
from pulseq.run.dispatcher import Dispatcher
from pulseq.run.run_health import RunHealth
from pulseq.run.run_queue import RunQueue
from tests.run.told import Told

ACTIVE, SUSPECT, INACTIVE = Liveness.ACTIVE, Liveness.SUSPECT, Liveness.INACTIVE
NODE = LiveNode("n", "tcp://h:1", "h", 1, {})


class _Run:
    """A run with one node, `n`, of one slot."""

    def __init__(self) -> None:
        self.events = Told()
        self.told: list[str] = []
        self.cluster = Cluster()
        self.cluster.nodes["n"] = NODE
        queue = RunQueue(FrameworkConfig())
        self.dispatcher = Dispatcher("r", self.cluster, cast(Any, self), self.events.ledger(), queue, held=True)
        self.cluster.on_joined, self.cluster.on_left = self.dispatcher.nodes.join, self.dispatcher.lose_node
        self.health = RunHealth(self.cluster, self.dispatcher.nodes, self.events.emit, FrameworkConfig())

    async def begin_run(self, _run_id: str, _addresses: list[str], *_further: object) -> None:
        self.told.append("begin")

    async def leave_run(self, _run_id: str, _addresses: list[str]) -> None:
        self.told.append("leave")

    def send(self, _dispatch: Dispatch, _address: str, **_: Any) -> None:
        self.told.append("dispatch")

    async def look(
        self, before: Liveness, after: Liveness, *, address: str = NODE.address, trouble: str | None = None
    ) -> None:
        row = NodeHealth("n", after, "it is silent", address=address)
        changes = (HealthChange(before, row),) if before is not after else ()
        self.health.take(Look((row,), changes, trouble))
        await self.settle()

    async def accept(self, name: str) -> None:
        self.dispatcher.accept(TestCase(name, SimulateBody()))
        await self.settle()

    async def settle(self) -> None:
        """Until the dispatcher has done what it can do."""
        await self.dispatcher.settle()
        for _ in range(5):
            await asyncio.sleep(0)

    @property
    def changes(self) -> list[str]:
        """What became of the node, as the run's events tell it."""
        return [type(event).__name__ for event in self.events if isinstance(event, NodeJoined | NodeLost)]


def during_a_run(story: Callable[[_Run], Awaitable[None]]) -> _Run:
    async def tell() -> _Run:
        run = _Run()
        await run.dispatcher.begin()
        running = asyncio.create_task(run.dispatcher.run())
        await story(run)
        running.cancel()
        await asyncio.wait([running])
        return run

    return asyncio.run(tell())


def test_each_row_of_a_look_is_an_event_of_the_run() -> None:
    run = during_a_run(lambda run: run.look(ACTIVE, ACTIVE))

    assert [NodeHealth("n", ACTIVE, "it is silent", address=NODE.address)] == run.events
    assert ["begin"] == run.told


def test_a_suspect_node_gets_no_tests_until_it_answers() -> None:
    async def story(run: _Run) -> None:
        await run.look(ACTIVE, SUSPECT)
        await run.accept("a")
        assert ["begin"] == run.told
        await run.look(SUSPECT, ACTIVE)

    assert ["begin", "dispatch"] == during_a_run(story).told


def test_an_inactive_node_is_lost_to_the_run_and_takes_part_again_when_it_is_heard_of() -> None:
    async def story(run: _Run) -> None:
        await run.accept("a")
        await run.look(SUSPECT, INACTIVE)
        assert "n" not in run.cluster.nodes
        await run.look(INACTIVE, ACTIVE)

    run = during_a_run(story)
    assert ["NodeLost", "NodeJoined"] == run.changes
    # What it was at when it fell silent others may have by now.
    assert ["begin", "dispatch", "leave", "begin", "dispatch"] == run.told
    assert {"n": NODE} == run.cluster.nodes


def test_a_node_that_the_scheduler_has_lost_already_is_not_lost_twice() -> None:
    async def story(run: _Run) -> None:
        run.cluster.nodes.clear()
        await run.look(ACTIVE, INACTIVE)

    assert [] == during_a_run(story).changes


def test_another_process_in_the_place_of_a_lost_one_joins_by_itself() -> None:
    async def story(run: _Run) -> None:
        await run.look(ACTIVE, INACTIVE)
        await run.look(INACTIVE, ACTIVE, address="tcp://h:2")

    assert ["NodeLost"] == during_a_run(story).changes


def test_a_scheduler_that_does_not_answer_costs_no_node() -> None:
    async def story(run: _Run) -> None:
        await run.look(ACTIVE, INACTIVE, trouble="the scheduler does not answer")
        await run.accept("a")

    run = during_a_run(story)
    assert [] == run.changes
    assert ["begin", "dispatch"] == run.told
