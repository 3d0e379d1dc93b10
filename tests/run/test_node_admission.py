"""Admitting nodes to a run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.run import node_admission
from pulseq.run.node_admission import NodeAdmission

NODE = LiveNode("n", "tcp://h:1", "h", 2, {}, "first")


@dataclass
class Runner:
    """What is asked of nodes; `refuses` is how often they do not do it."""

    refuses: int = 0
    asked: list[str] = field(default_factory=list)

    async def begin_run(self, _run_id: str, _addresses: list[str], *_further: object) -> None:
        self.asked.append("begin")
        if self.refuses:
            self.refuses -= 1
            raise OSError("no way there")

    async def leave_run(self, _run_id: str, _addresses: list[str]) -> None:
        self.asked.append("leave")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_admission, "ADMIT_AGAIN_SECONDS", (0.0, 0.0))


@dataclass
class Site:
    """A run with one node that wants to take part."""

    runner: Runner = field(default_factory=Runner)
    cluster: Cluster = field(default_factory=Cluster)
    admitted: list[LiveNode] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster.nodes["n"] = NODE
        note = lambda node, why: self.refused.append(f"{node.id}: {why}")  # noqa: E731
        self.admission = NodeAdmission("r", self.cluster, cast(Any, self.runner), self.admitted.append, note)


def test_a_node_is_admitted_once_however_often_it_comes() -> None:
    site = Site()

    async def come() -> None:
        await site.admission.admit(NODE)
        await asyncio.gather(site.admission.admit_all(), site.admission.admit(NODE))

    asyncio.run(come())
    assert ([NODE], []) == (site.admitted, site.refused)
    assert ["begin"] == site.runner.asked
    assert 2 == site.admission.leave("n")
    assert 0 == site.admission.leave("n")


def test_one_that_was_silent_leaves_the_run_before_it_takes_part_again() -> None:
    site = Site()

    async def come_back() -> None:
        await site.admission.admit_all()
        site.admission.leave("n")
        await site.admission.admit(NODE)

    asyncio.run(come_back())
    assert ["begin", "leave", "begin"] == site.runner.asked
    assert [NODE, NODE] == site.admitted


def test_another_process_of_the_same_node_has_nothing_to_leave() -> None:
    site = Site()
    second = replace(NODE, incarnation="second")

    async def come_back() -> None:
        await site.admission.admit_all()
        site.admission.leave("n")
        site.cluster.nodes["n"] = second
        await site.admission.admit(second)

    asyncio.run(come_back())
    assert ["begin", "begin"] == site.runner.asked
    assert [NODE, second] == site.admitted


@pytest.mark.parametrize(("refuses", "expected"), [(2, []), (3, ["n: no way there"])])
def test_one_that_cannot_be_told_of_the_run_is_tried_again(refuses: int, expected: list[str]) -> None:
    site = Site(Runner(refuses))
    asyncio.run(site.admission.admit_all())
    assert (expected, len(expected)) == (site.refused, len(site.admission.unable))
    assert len(site.admitted) == 1 - len(expected)


def test_one_that_has_gone_meanwhile_is_no_trouble() -> None:
    site = Site(Runner(1))

    async def go() -> None:
        opening = asyncio.create_task(site.admission.admit_all())
        await asyncio.sleep(0)
        del site.cluster.nodes["n"]
        await opening

    asyncio.run(go())
    assert ([], []) == (site.admitted, site.refused)


SENT = LiveNode("sent", "tcp://h:2", "h", 1, {}, "first", way="joined")
SLOW = LiveNode("slow", "tcp://h:3", "h", 1, {}, "first", way="joined")


class Shipping:
    """Sends the project to nodes that have joined; one does not get ready."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.hangs = asyncio.Event()
        self.let_go = False

    def concerns(self, node: LiveNode) -> bool:
        return node.way != "local"

    async def bring(self, node: LiveNode, _bodies: object) -> None:
        if not self.concerns(node):
            return
        try:
            await (self.hangs if node is SLOW else self.arrived).wait()
        except asyncio.CancelledError:
            self.let_go = True
            raise OSError("prepare failed (cancelled)") from None

    def forget(self, node: LiveNode) -> None:
        return


def _site_of(*nodes: LiveNode) -> tuple[Site, Shipping]:
    site, shipping = Site(), Shipping()
    site.cluster.nodes = {node.id: node for node in nodes}
    site.admission.shipping = cast(Any, shipping)
    return site, shipping


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_first_node_that_is_ready_is_enough_where_others_get_the_project() -> None:
    async def begin() -> list[bool]:
        site, shipping = _site_of(SENT, SLOW)
        for node in (SENT, SLOW):
            site.admission.start(node)
        waiting = asyncio.create_task(site.admission.wait_for_first())
        await _turns()
        before = waiting.done()
        shipping.arrived.set()
        await asyncio.wait_for(waiting, 60)
        await asyncio.wait_for(site.admission.admit_all(), 60)
        assert [SENT] == site.admitted
        shipping.hangs.set()
        await site.admission.background.settle()
        assert [SENT, SLOW] == site.admitted
        return [before]

    assert [False] == asyncio.run(begin())


def test_a_node_that_is_sent_nothing_is_waited_for_and_no_other_where_it_is_ready() -> None:
    async def begin() -> list[bool]:
        site, shipping = _site_of(SENT, NODE)
        met = asyncio.Event()
        site.admission.meet = lambda node: met.wait() if node is NODE else asyncio.sleep(0)
        shipping.arrived.set()
        for node in (SENT, NODE):
            site.admission.start(node)
        waiting = asyncio.create_task(site.admission.wait_for_first())
        await _turns()
        before = waiting.done()
        met.set()
        await asyncio.wait_for(waiting, 60)
        return [before]

    assert [False] == asyncio.run(begin())


def test_where_no_node_can_take_part_none_is_waited_for() -> None:
    async def begin() -> list[str]:
        site, _ = _site_of(NODE)
        site.runner.refuses = 3
        site.admission.start(NODE)
        await asyncio.wait_for(site.admission.wait_for_first(), 60)
        return site.refused

    assert ["n: no way there"] == asyncio.run(begin())


def test_at_the_end_those_that_get_ready_are_let_go_of_and_no_trouble() -> None:
    async def end() -> tuple[Site, Shipping, bool]:
        site, shipping = _site_of(SLOW)
        site.admission.start(SLOW)
        waiting = asyncio.create_task(site.admission.wait_until_ready(SLOW))
        await _turns()
        await asyncio.wait_for(site.admission.end(), 60)
        site.admission.start(SLOW)
        assert not site.admission.background.busy
        return site, shipping, await asyncio.wait_for(waiting, 60)

    site, shipping, is_ready = asyncio.run(end())
    assert (True, False) == (shipping.let_go, is_ready)
    assert ([], [], []) == (site.refused, site.admitted, site.runner.asked)
