"""What is long gives way to a run that has had less."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pulseq.node import giving_way, node_slots
from pulseq.node.dispatch_under_way import DispatchUnderWay
from pulseq.node.giving_way import GivingWay
from pulseq.node.node_slots import NodeSlots, Place
from pulseq.protocol.from_node import TestsGivenBack
from pulseq.protocol.work import Dispatch
from tests.node.test_run_on_node import Node, settle


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (giving_way, node_slots):
        monkeypatch.setattr(module, "KEEP_SECONDS", 0.01)


def nobody_dies(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


def _place(run: str, **more: Any) -> Place:
    return Place(DispatchUnderWay(Dispatch("1", run, (), ())), 0, run, **more)


def test_who_holds_a_slot_gives_back_after_a_while_though_nobody_comes_or_goes() -> None:
    async def wait() -> None:
        slots = NodeSlots(1)
        keeping = GivingWay(slots, nobody_dies)
        given = asyncio.Event()
        slots.enter(_place("large", give_back=given.set))
        slots.enter(_place("small"))
        assert not given.is_set()
        await asyncio.wait_for(given.wait(), 60)
        await keeping.close()

    asyncio.run(wait())


def test_a_dispatch_gives_back_what_it_has_not_begun_and_the_driver_hears_which() -> None:
    async def wait() -> list[str]:
        node = Node()
        keeping = GivingWay(node.slots, nobody_dies)
        await node.get("1", "a", "b", "c")
        small = _place("small")
        node.slots.enter(small)
        async with asyncio.timeout(60):
            while not (back := [told for told in node.told if isinstance(told, TestsGivenBack)]):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await node.end("a")
        await node.end("b")  # pytest was told that it is next
        await asyncio.gather(*node.handling)
        assert small.has_slot
        await keeping.close()
        await settle()
        return [test for told in back for test, _ in told.tests]

    assert ["c"] == asyncio.run(wait())
