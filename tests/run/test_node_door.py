"""Letting nodes into a run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.run import node_door
from pulseq.run.node_door import NodeDoor

NODE = LiveNode("n", "tcp://h:1", "h", 2, {}, "first")


@dataclass
class Runner:
    """What is asked of nodes; `refuses` is how often they do not do it."""

    refuses: int = 0
    asked: list[str] = field(default_factory=list)

    async def begin_run(self, _run_id: str, _addresses: list[str]) -> None:
        self.asked.append("begin")
        if self.refuses:
            self.refuses -= 1
            raise OSError("no way there")

    async def leave_run(self, _run_id: str, _addresses: list[str]) -> None:
        self.asked.append("leave")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_door, "OPEN_AGAIN_SECONDS", (0.0, 0.0))


@dataclass
class Place:
    """A door with one node before it."""

    runner: Runner = field(default_factory=Runner)
    cluster: Cluster = field(default_factory=Cluster)
    let_in: list[LiveNode] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster.nodes["n"] = NODE
        note = lambda node, why: self.left_out.append(f"{node.id}: {why}")  # noqa: E731
        self.door = NodeDoor("r", self.cluster, cast(Any, self.runner), self.let_in.append, note)


def test_a_node_is_let_in_once_however_often_it_comes() -> None:
    place = Place()

    async def come() -> None:
        await place.door.open(NODE)
        await asyncio.gather(place.door.open_all(), place.door.open(NODE))

    asyncio.run(come())
    assert ([NODE], []) == (place.let_in, place.left_out)
    assert ["begin"] == place.runner.asked
    assert 2 == place.door.close("n")
    assert 0 == place.door.close("n")


def test_one_that_was_silent_leaves_the_run_before_it_takes_part_again() -> None:
    place = Place()

    async def come_back() -> None:
        await place.door.open_all()
        place.door.close("n")
        await place.door.open(NODE)

    asyncio.run(come_back())
    assert ["begin", "leave", "begin"] == place.runner.asked
    assert [NODE, NODE] == place.let_in


def test_another_process_of_the_same_node_has_nothing_to_leave() -> None:
    place = Place()
    second = replace(NODE, incarnation="second")

    async def come_back() -> None:
        await place.door.open_all()
        place.door.close("n")
        place.cluster.nodes["n"] = second
        await place.door.open(second)

    asyncio.run(come_back())
    assert ["begin", "begin"] == place.runner.asked
    assert [NODE, second] == place.let_in


@pytest.mark.parametrize(("refuses", "expected"), [(2, []), (3, ["n: no way there"])])
def test_one_that_cannot_be_told_of_the_run_is_tried_again(refuses: int, expected: list[str]) -> None:
    place = Place(Runner(refuses))
    asyncio.run(place.door.open_all())
    assert (expected, len(expected)) == (place.left_out, len(place.door.unable))
    assert len(place.let_in) == 1 - len(expected)


def test_one_that_has_gone_meanwhile_is_no_trouble() -> None:
    place = Place(Runner(1))

    async def go() -> None:
        opening = asyncio.create_task(place.door.open_all())
        await asyncio.sleep(0)
        del place.cluster.nodes["n"]
        await opening

    asyncio.run(go())
    assert ([], []) == (place.let_in, place.left_out)
