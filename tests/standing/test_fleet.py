"""The nodes of a scheduler as people see and mark them; scheduler and workers are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Scheduler

from pulseq.cluster.standing_cluster import Condition, PartState, StandingCluster
from pulseq.errors import InfrastructureError, UsageError
from pulseq.events import NodeHealth
from pulseq.fleet import Fleet, NodeSpec
from pulseq.marks import MarkState, NodeMark
from pulseq.models import Liveness
from pulseq.processes.process_id import ProcessId
from pulseq.protocol.coding import PROTOCOL
from pulseq.standing.fleet import FleetAccess, FleetNode, open_fleet, refuse_unknown
from tests.dask_nodes import open_node, open_scheduler, open_worker

HEALTHY = NodeHealth("n", Liveness.ACTIVE)
DRAINING = NodeMark("n", MarkState.DRAINING, "firmware")


@asynccontextmanager
async def _opened(scheduler: Scheduler, standing: StandingCluster | None = None) -> AsyncIterator[FleetAccess]:
    async with open_fleet(Path("/nowhere"), scheduler.address) as fleet:
        yield replace(fleet, standing=standing)


def _standing(*specs: NodeSpec, parts: tuple[PartState, ...] = ()) -> StandingCluster:
    return StandingCluster(ProcessId(1, 1.0), Condition.RUNNING, "http://a", None, "", Fleet(specs), 0.0, parts)


def test_each_node_that_is_there_or_is_to_be_is_seen() -> None:
    async def look() -> list[FleetNode]:
        parts = (PartState("b", Condition.RESTARTING, why="its process ended with -9"),)
        joining = (NodeSpec("c", host="lab", joins=True), NodeSpec("d", joins=True))
        standing = _standing(NodeSpec("a"), NodeSpec("b"), *joining, parts=parts)
        labels = {"id": "old", "slots": 1, "capabilities": {}, "protocol": PROTOCOL + 1, "way": "ssh", "host": "lab2"}
        async with open_scheduler() as scheduler, open_node(scheduler, "a", 2), open_worker(scheduler, "old", labels):
            async with _opened(scheduler, standing) as fleet:
                await fleet.mark(["c"], MarkState.CORDONED, why="", who="anna")
                return await fleet.look()

    a, b, c, d, old = asyncio.run(look())

    assert ("a", "local", 2, {}) == (a.id, a.way, a.view and a.view.slots, a.runs)
    assert ("b", None, Liveness.INACTIVE) == (b.id, b.view, b.health.liveness)
    assert b.why_no_work is not None
    assert b.why_no_work.startswith("restarting (its process ended with -9); inactive: it is not joined")
    assert ("c", "joined", "lab") == (c.id, c.way, c.host)
    assert ("d", "joined", "") == (d.id, d.way, d.host)
    assert "cordoned" in (c.why_no_work or "")
    assert ("old", "ssh", "lab2") == (old.id, old.way, old.host)
    assert f"speaks protocol {PROTOCOL + 1}" in (old.why_no_work or "")


@pytest.mark.parametrize(
    ("node", "why"),
    [
        (FleetNode("n", "local", "h", HEALTHY), None),
        (FleetNode("n", "local", "h", NodeHealth("n", Liveness.ACTIVE, "its disk is full")), "its disk is full"),
        (FleetNode("n", "local", "h", HEALTHY, mark=DRAINING), "drained: firmware"),
        (FleetNode("n", "local", "h", HEALTHY, mark=DRAINING, runs={"r": 1}), "draining: firmware"),
        (
            FleetNode("n", "local", "h", NodeHealth("n", Liveness.SUSPECT, "no answer"), mark=DRAINING),
            "drained: firmware; suspect: no answer",
        ),
    ],
)
def test_what_keeps_a_node_from_work_is_all_told(node: FleetNode, why: str | None) -> None:
    assert why == node.why_no_work


def test_a_node_that_nobody_knows_is_not_marked_and_neither_are_the_others() -> None:
    async def mark() -> list[FleetNode]:
        async with open_scheduler() as scheduler, open_node(scheduler, "node1"), _opened(scheduler) as fleet:
            with pytest.raises(UsageError, match="found no node 'node2', expected one of node1; did you mean 'node1'"):
                await fleet.mark(["node1", "node2"], MarkState.DRAINING, why="", who="anna")
            return await fleet.look()

    assert [None] == [node.mark for node in asyncio.run(mark())]


def test_marks_are_told_with_what_was_before() -> None:
    async def mark() -> None:
        async with open_scheduler() as scheduler, open_node(scheduler, "n"), _opened(scheduler) as fleet:
            first = await fleet.mark(["n", "n"], MarkState.DRAINING, why="firmware", who="anna")
            assert [("n", "draining", "firmware", "anna")] == [(m.node_id, m.state, m.why, m.who) for m in first.marks]
            assert {} == first.before
            again = await fleet.mark(["n"], MarkState.DRAINING, why="", who="bert")
            assert first.marks == again.marks
            second = await fleet.mark(["n"], MarkState.OPEN, why="", who="bert")
            assert {"n": first.marks[0]} == second.before
            assert [] == await fleet.wait_until_drained(["n"], 0.0)

    asyncio.run(mark())


def test_without_any_node_that_is_said() -> None:
    with pytest.raises(UsageError, match="found no node 'a', expected one of none"):
        refuse_unknown(["a"], [])


def test_where_nothing_is_up_what_to_do_is_told(tmp_path: Path) -> None:
    async def open_nothing(scheduler: str | None) -> None:
        async with open_fleet(tmp_path, scheduler):
            pass

    with pytest.raises(UsageError, match="`pulseq up` starts them"):
        asyncio.run(open_nothing(None))
    with pytest.raises(UsageError, match="expected an address like"):
        asyncio.run(open_nothing("nonsense"))
    with pytest.raises(InfrastructureError, match="no Dask scheduler answers"):
        asyncio.run(open_nothing("tcp://127.0.0.1:1"))
