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
