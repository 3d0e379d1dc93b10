"""What follows a batch on its slot, wherever it is to be found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from pulseq.models import SimulateBody, TestCase
from pulseq.node.next_items import NextItems
from pulseq.node.node_slots import DispatchUnderWay, NodeSlots, Place
from pulseq.protocol.work import Dispatch, PytestWork, TestWork
from pulseq.pytest_sessions import PytestOrder, PytestSpec

SPEC = PytestSpec("r", "unit", ("tests",), (), False, ".", None)
SINGLE = TestWork("x", TestCase("x", SimulateBody()), 1, 0)


def pack(*names: str) -> PytestWork:
    return PytestWork("pack", SPEC, tuple(PytestOrder(name, "", name) for name in names))


def begun(*work: PytestWork | TestWork) -> Place:
    place = waiting(*work)
    next(iter(place.under_way))
    return place


def waiting(*work: PytestWork | TestWork) -> Place:
    return Place(DispatchUnderWay(Dispatch("1", "r", work, tuple(uuid4() for _ in work))))


class Slot:
    """One slot, with a dispatch that runs there, and a driver that answers as it is told to."""

    def __init__(self, running: Place, answer: Callable[[Slot], None] | None = None) -> None:
        self.slots = NodeSlots(1)
        self.running = running
        self.asked: list[str] = []
        self.slots.enter(running)
        self._answer = answer
        self.next_items = NextItems(self.slots, self._ask, patience_seconds=0.01 if answer is None else 60.0)

    def _ask(self, key: str) -> None:
        self.asked.append(key)
        if self._answer is not None:
            asyncio.get_running_loop().call_soon(self._answer, self)

    async def find(self) -> str | None:
        found = await self.next_items.find("1", self.running, SPEC)
        return None if found is None else found.test_id


def decline(slot: Slot) -> None:
    slot.next_items.note_decline("1", None)


def send(*work: PytestWork | TestWork) -> Callable[[Slot], None]:
    def answer(slot: Slot) -> None:
        slot.slots.enter(waiting(*work), after=slot.running)
        slot.next_items.note_arrival("2", "1")

    return answer


@pytest.mark.parametrize(("work", "found"), [(pack("b", "c"), "b"), (SINGLE, None)])
def test_the_same_dispatch_goes_on_first(work: PytestWork | TestWork, found: str | None) -> None:
    slot = Slot(begun(pack("a"), work))
    slot.slots.enter(waiting(pack("z")))

    assert (found, []) == (asyncio.run(slot.find()), slot.asked)


def test_what_waits_on_the_node_is_kept_for_the_slot() -> None:
    slot = Slot(begun(pack("a")))
    follower = waiting(pack("b", "c"))
    slot.slots.enter(follower)

    assert ("b", []) == (asyncio.run(slot.find()), slot.asked)
    assert follower.heir_of is slot.running
    assert follower.under_way.give_back(frozenset({("b", ""), ("c", "")})) == [("c", "")]


def test_what_is_of_no_session_is_waited_for_and_not_promised() -> None:
    slot = Slot(begun(pack("a")))
    slot.slots.enter(waiting(SINGLE))

    assert (None, []) == (asyncio.run(slot.find()), slot.asked)


@pytest.mark.parametrize(
    ("answer", "found"), [(send(pack("b")), "b"), (send(SINGLE), None), (send(), None), (decline, None)]
)
def test_the_driver_is_asked_when_nothing_waits(answer: Callable[[Slot], None], found: str | None) -> None:
    slot = Slot(begun(pack("a")), answer)

    assert (found, ["1"]) == (asyncio.run(slot.find()), slot.asked)


@pytest.mark.parametrize("first", ["the answer", "the dispatch"])
def test_what_was_on_its_way_when_the_driver_was_asked_is_waited_for(first: str) -> None:
    def arrive(slot: Slot) -> None:
        slot.slots.enter(waiting(pack("b")))
        slot.next_items.note_arrival("2", None)

    def answer(slot: Slot) -> None:
        if first == "the dispatch":
            arrive(slot)
            slot.next_items.note_decline("1", "2")
        else:
            slot.next_items.note_decline("1", "2")
            asyncio.get_running_loop().call_soon(arrive, slot)

    assert asyncio.run(Slot(begun(pack("a")), answer).find()) == "b"


def test_who_asks_again_hears_the_same() -> None:
    async def ask_twice(slot: Slot) -> list[str | None]:
        return [await slot.find(), await slot.find()]

    slot = Slot(begun(pack("a")), send(pack("b")))

    assert (["b", "b"], ["1"]) == (asyncio.run(ask_twice(slot)), slot.asked)


def test_a_driver_that_does_not_answer_is_not_waited_for() -> None:
    assert asyncio.run(Slot(begun(pack("a"))).find()) is None


def test_a_run_that_is_stopped_promises_nothing() -> None:
    slot = Slot(begun(pack("a")), lambda slot: slot.next_items.give_up())

    assert asyncio.run(slot.find()) is None
    slot.slots.enter(waiting(pack("b")))
    assert (None, ["1"]) == (asyncio.run(slot.find()), slot.asked)


def test_a_dispatch_that_is_done_meanwhile_has_nothing_to_follow_it() -> None:
    def end(slot: Slot) -> None:
        slot.slots.leave(slot.running)
        slot.slots.enter(waiting(pack("b")))
        decline(slot)

    assert asyncio.run(Slot(begun(pack("a")), end).find()) is None
