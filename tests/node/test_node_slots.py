"""Who has a slot of a node, and who is next."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pulseq.node.dispatch_under_way import DispatchUnderWay
from pulseq.node.node_slots import NodeSlots, Place
from pulseq.protocol.work import Dispatch


def place(priority: int = 0, run: str = "r") -> Place:
    return Place(DispatchUnderWay(Dispatch("1", run, (), ())), priority, run)


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


def served(slots: NodeSlots, running: Place, count: int) -> list[Place]:
    """Who gets the slot, one after the other."""
    order = []
    for _ in range(count):
        successor = slots.next_after(running)
        assert successor is not None
        slots.leave(running)
        order.append(running := successor)
    return order


def test_runs_take_turns_however_many_each_has_sent() -> None:
    slots = NodeSlots(1)
    running, *many = (place(run="a") for _ in range(4))
    few = [place(run="b") for _ in range(2)]
    entered(slots, running, *many, *few)
    assert [few[0], many[0], few[1], many[1], many[2]] == served(slots, running, 5)


def test_a_run_that_comes_late_has_nothing_to_make_up_for() -> None:
    slots = NodeSlots(1)
    running, *first = (place(run="a") for _ in range(3))
    entered(slots, running, *first)
    *_, running = served(slots, running, 2)
    late = [place(run="b") for _ in range(3)]
    more = place(run="a")
    entered(slots, *late, more)
    assert [late[0], late[1], more, late[2]] == served(slots, running, 4)


def test_priority_goes_before_turns() -> None:
    slots = NodeSlots(1)
    running, waiting, urgent = place(run="a"), place(run="b"), place(3, run="a")
    entered(slots, running, waiting, urgent)
    assert [urgent, waiting] == served(slots, running, 2)


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
