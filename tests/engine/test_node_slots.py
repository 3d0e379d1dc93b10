"""Who has a slot of a node, and who is next."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pulseq.engine.dispatch_under_way import DispatchUnderWay
from pulseq.engine.node_slots import NodeSlots, Place
from pulseq.engine.work import Dispatch


def place(priority: int = 0) -> Place:
    return Place(DispatchUnderWay(Dispatch("1", "r", (), ())), priority)


def entered(slots: NodeSlots, *places: Place) -> list[bool]:
    for one in places:
        slots.enter(one)
    return [one.has_slot for one in places]


def test_who_finds_no_slot_waits_for_one() -> None:
    slots = NodeSlots(2)
    a, b, c = place(), place(), place()
    assert [True, True, False] == entered(slots, a, b, c)

    slots.leave(b)

    assert c.has_slot
    assert c.turn.is_set()


def test_the_highest_priority_is_next_then_the_first_come() -> None:
    slots = NodeSlots(1)
    running, first, second, urgent = place(), place(), place(), place(3)
    entered(slots, running, first, second, urgent)

    order = []
    for _ in range(3):
        nobody = place()
        successor = slots.next_after(running)
        slots.leave(running)
        running = successor or nobody
        order.append(running)

    assert [urgent, first, second] == order


def test_an_heir_gets_the_slot_whoever_else_waits() -> None:
    slots = NodeSlots(1)
    running, waiting, heir = place(), place(3), place()
    entered(slots, running, waiting)
    slots.enter(heir, after=running)

    slots.leave(running)

    assert (heir.has_slot, waiting.has_slot) == (True, False)


def test_an_heir_waits_though_another_slot_is_free() -> None:
    slots = NodeSlots(2)
    running, heir = place(), place()
    slots.enter(running)
    slots.enter(heir, after=running)

    assert not heir.has_slot


def test_who_comes_after_one_that_is_done_already_waits_like_others() -> None:
    slots = NodeSlots(1)
    done, running, late = place(), place(), place()
    entered(slots, done, running)
    slots.leave(done)
    slots.enter(late, after=done)

    assert (late.has_slot, slots.next_after(running)) == (False, late)


def test_who_is_reserved_is_next_for_that_slot_alone() -> None:
    slots = NodeSlots(2)
    a, b, c = place(), place(), place()
    entered(slots, a, b, c)
    slots.reserve(a, c)
    slots.reserve(a, c)

    assert (slots.next_after(a), slots.next_after(b)) == (c, None)
    slots.leave(b)
    assert not c.has_slot


class SlotMachine(RuleBasedStateMachine):
    """Dispatches come, are reserved and leave in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Place] = []

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        self.count = count
        self.slots = NodeSlots(count)

    @rule(priority=st.integers(0, 2), after=st.none() | st.integers(0, 9))
    def enter(self, priority: int, after: int | None) -> None:
        known = self.places[after] if after is not None and after < len(self.places) else None
        self.places.append(place(priority))
        self.slots.enter(self.places[-1], known)

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.slots.leave(self.places.pop(data.draw(st.integers(0, len(self.places) - 1))))

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def reserve(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(self.places))
        heir = self.slots.next_after(holder)
        if holder.has_slot and heir is not None:
            self.slots.reserve(holder, heir)

    @invariant()
    def no_slot_is_given_twice_or_kept_from_who_waits(self) -> None:
        running = [one for one in self.places if one.has_slot]
        free_to_go = [one for one in self.places if not one.has_slot and one.heir_of is None]
        assert len(running) <= self.count
        assert not free_to_go or len(running) == self.count
        assert all(one.heir_of is None or one.heir_of in running for one in self.places)


TestSlotMachine = SlotMachine.TestCase
TestSlotMachine.settings = settings(max_examples=100, stateful_step_count=30)
