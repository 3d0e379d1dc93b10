"""Who has a slot of a node, and who is next."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from pulseq.models import Key, SimulateBody, TestCase
from pulseq.node import node_slots
from pulseq.node.node_slots import KEEP_SECONDS, DispatchUnderWay, GivingWay, NextItems, NodeSlots, Place
from pulseq.protocol.from_node import TestsGivenBack
from pulseq.protocol.to_node import NoNext
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work
from pulseq.pytest_sessions import Following, PytestOrder, PytestSpec
from tests.node.test_run_on_node import Node, settle


def place(priority: int = 0, run: str = "r", given: list[str] | None = None) -> Place:
    """A dispatch of a run, which is told in `given` where it is to give back what it has not begun."""
    give_back = (lambda: given.append(run)) if given is not None else (lambda: None)
    return Place(DispatchUnderWay(Dispatch("1", run, (), ())), priority, run, give_back)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


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


def served(slots: NodeSlots, running: Place, count: int, clock: Clock, seconds: float = 1.0) -> list[Place]:
    """Who gets the slot, one after the other, each for so long."""
    order = []
    for _ in range(count):
        clock.now += seconds
        successor = slots.next_after(running)
        assert successor is not None
        slots.leave(running)
        order.append(running := successor)
    return order


def test_runs_take_turns_however_many_each_has_sent() -> None:
    slots = NodeSlots(1, clock := Clock())
    running, *many = (place(run="a") for _ in range(4))
    few = [place(run="b") for _ in range(2)]
    entered(slots, running, *many, *few)
    assert [few[0], many[0], few[1], many[1], many[2]] == served(slots, running, 5, clock)


def test_a_run_whose_dispatches_are_short_gets_as_many_of_them_as_it_takes_to_be_even() -> None:
    slots = NodeSlots(1, clock := Clock())
    running, waiting = place(run="long"), place(run="long")
    short = [place(run="short") for _ in range(5)]
    entered(slots, running, waiting, *short)

    assert [short[0]] == served(slots, running, 1, clock, seconds=4.0)
    assert short[1:] == served(slots, short[0], 4, clock, seconds=0.5)
    assert [waiting] == served(slots, short[4], 1, clock, seconds=0.5)


def test_what_runs_counts_before_it_is_done() -> None:
    slots = NodeSlots(2, clock := Clock())
    endless, short, more, late = place(run="a"), place(run="b"), place(run="a"), place(run="b")
    entered(slots, endless, short, more, late)
    clock.now = 1.0
    slots.leave(short)
    clock.now = 2.0
    slots.leave(late)
    another = place(run="b")
    entered(slots, place(run="a"), another)
    clock.now = 3.0
    slots.leave(more)
    assert another.has_slot


def test_of_runs_that_have_had_as_much_the_one_with_fewer_slots_is_next() -> None:
    slots = NodeSlots(2)
    first, second, third, other = place(run="a"), place(run="a"), place(run="a"), place(run="b")
    entered(slots, first, second, third, other)
    assert other is slots.next_after(first)


def test_who_has_had_more_gives_back_what_it_has_not_begun_once_after_a_moment() -> None:
    slots, given = NodeSlots(1, clock := Clock()), list[str]()
    entered(slots, place(run="large", given=given))
    assert not slots.make_room()
    entered(slots, place(run="small"))
    clock.now = KEEP_SECONDS / 2
    assert slots.make_room()
    assert [] == given
    clock.now = KEEP_SECONDS
    assert slots.make_room()
    assert ["large"] == given
    assert not slots.make_room()
    assert ["large"] == given


def test_for_each_that_waits_one_makes_room_the_one_of_the_run_that_has_had_most() -> None:
    slots, given = NodeSlots(3, clock := Clock()), list[str]()
    entered(slots, *(place(run=run, given=given) for run in ("large", "large", "other")), place(run="small"))
    clock.now = KEEP_SECONDS
    slots.make_room()
    assert ["large"] == given


def test_nobody_makes_room_for_its_own_run_or_for_what_is_less_urgent() -> None:
    slots, given = NodeSlots(1, clock := Clock()), list[str]()
    entered(slots, place(1, run="a", given=given), place(2, run="a"), place(0, run="b"))
    clock.now = 10 * KEEP_SECONDS
    assert not slots.make_room()
    entered(slots, place(2, run="c"))
    assert slots.make_room()
    assert ["a"] == given


def test_a_run_that_comes_late_has_nothing_to_make_up_for() -> None:
    slots = NodeSlots(1, clock := Clock())
    running, *first = (place(run="a") for _ in range(3))
    entered(slots, running, *first)
    *_, running = served(slots, running, 2, clock)
    late = [place(run="b") for _ in range(3)]
    more = place(run="a")
    entered(slots, *late, more)
    assert [late[0], late[1], more, late[2]] == served(slots, running, 4, clock)


def test_a_run_that_had_nothing_here_for_a_while_has_nothing_to_make_up_for() -> None:
    slots = NodeSlots(1, clock := Clock())
    early = place(run="b")
    entered(slots, early)
    slots.leave(early)
    running, *others = (place(run="a") for _ in range(4))
    entered(slots, running, *others[:2])
    *_, running = served(slots, running, 2, clock)
    late = [place(run="b") for _ in range(3)]
    entered(slots, *late, others[2])
    assert [late[0], late[1], others[2], late[2]] == served(slots, running, 4, clock)


def test_priority_goes_before_turns() -> None:
    slots = NodeSlots(1, clock := Clock())
    running, waiting, urgent = place(run="a"), place(run="b"), place(3, run="a")
    entered(slots, running, waiting, urgent)
    assert [urgent, waiting] == served(slots, running, 2, clock)


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
TestSlotMachine.settings = settings(max_examples=50, stateful_step_count=30)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_slots, "KEEP_SECONDS", 0.01)


def nobody_dies(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


def _place(run: str, **more: Any) -> Place:
    return Place(DispatchUnderWay(Dispatch("1", run, (), ())), 0, run, **more)


@pytest.mark.usefixtures("hasty")
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


@pytest.mark.usefixtures("hasty")
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
        await node.run.do(NoNext("1", more=True))
        await settle()
        await node.end("b")  # pytest was told that it is next
        await asyncio.gather(*node.handling)
        assert small.has_slot
        await keeping.close()
        await settle()
        return [test for told in back for test, _ in told.tests]

    assert ["c"] == asyncio.run(wait())


SPEC = PytestSpec("r", "unit", ("tests",), (), False, ".", None)


def single(name: str) -> TestWork:
    return TestWork(name, TestCase(name, SimulateBody()), 1, 0)


def pack(*names: str) -> PytestWork:
    return PytestWork(
        f"test_a.py ({len(names)} tests)", SPEC, tuple(PytestOrder(n, "", f"test_a.py::{n}") for n in names)
    )


def scope(*names: str) -> PytestWork:
    return replace(pack(*names), whole=True)


def under_way(*work: Work, without: frozenset[Key] = frozenset()) -> DispatchUnderWay:
    return DispatchUnderWay(Dispatch("1", "r", work, tuple(uuid4() for _ in work)), without)


def keys(names: str) -> frozenset[Key]:
    return frozenset((name, "") for name in names)


def names_of(dispatch: DispatchUnderWay) -> list[str]:
    return [work.name for work, _ in dispatch]


def test_what_has_not_begun_is_given_back() -> None:
    dispatch = under_way(single("a"), single("b"), single("c"))
    next(iter(dispatch))

    assert dispatch.give_back(keys("abc")) == [("b", ""), ("c", "")]
    assert names_of(dispatch) == []


def test_a_pack_that_has_not_begun_gets_smaller_and_a_name_that_says_so() -> None:
    dispatch = under_way(pack("a", "b", "c"))

    assert dispatch.give_back(keys("c")) == [("c", "")]
    assert names_of(dispatch) == ["test_a.py (2 tests)"]


def test_of_the_pack_that_runs_its_runner_is_asked() -> None:
    dispatch = under_way(pack("a", "b", "c"), single("d"))
    next(iter(dispatch))

    assert dispatch.give_back(keys("cd")) == [("d", "")]
    assert {order.test_id for order in dispatch.orders_of(keys("cd"))} == {"c"}


def test_a_single_item_is_never_asked_back_once_it_has_begun() -> None:
    dispatch = under_way(pack("a"))
    next(iter(dispatch))

    assert dispatch.orders_of(keys("a")) == frozenset()


def test_a_dispatch_that_comes_late_is_without_what_was_asked_back_before() -> None:
    dispatch = under_way(single("a"), pack("b", "c"), without=keys("ac"))

    assert names_of(dispatch) == ["b"]


def test_a_scope_is_given_back_as_a_whole_or_not_at_all() -> None:
    dispatch = under_way(pack("a", "b"), scope("c", "d"), scope("e", "f"))

    assert dispatch.give_back(keys("bdef")) == [("b", ""), ("e", ""), ("f", "")]
    assert [work.keys for work, _ in dispatch] == [[("a", "")], [("c", ""), ("d", "")]]


def test_a_scope_that_has_begun_stays() -> None:
    dispatch = under_way(scope("a", "b", "c"))
    next(iter(dispatch))

    assert (dispatch.give_back(keys("bc")), dispatch.orders_of(keys("bc"))) == ([], frozenset())


def test_the_item_that_begins_next_is_promised_and_stays() -> None:
    dispatch = under_way(pack("a", "b"), pack("c", "d"))
    next(iter(dispatch))

    assert dispatch.promise_first(SPEC) == pack("c").orders[0]
    assert dispatch.give_back(keys("cd")) == [("d", "")]
    assert dispatch.promise_first(SPEC) == pack("c").orders[0]
    assert names_of(dispatch) == ["c"]


def test_with_the_first_of_a_scope_all_of_it_stays() -> None:
    dispatch = under_way(scope("a", "b"), scope("c", "d"))
    dispatch.promise_first(SPEC)

    assert dispatch.give_back(keys("abcd")) == [("c", ""), ("d", "")]


def test_a_promised_item_stays_also_when_its_pack_has_begun() -> None:
    dispatch = under_way(pack("a", "b"))
    dispatch.promise_first(SPEC)
    next(iter(dispatch))

    assert {order.test_id for order in dispatch.orders_of(keys("ab"))} == {"b"}


@pytest.mark.parametrize(
    "work",
    [
        [],
        [single("x")],
        [replace(pack("x"), fresh=True)],
        [replace(pack("x"), spec=dataclasses.replace(SPEC, entry="e"))],
    ],
)
def test_what_no_runner_of_the_session_goes_on_with_is_not_promised(work: list[Work]) -> None:
    assert under_way(*work).promise_first(SPEC) is None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_each_test_is_begun_or_given_back_and_never_both(sizes: list[int], data: st.DataObject) -> None:
    work: list[Work] = []
    for number, size in enumerate(sizes):
        work.append(pack(*(f"{number}-{n}" for n in range(size))) if size > 1 else single(str(number)))
    everything = [key for unit in work for key in unit.keys]
    dispatch = under_way(*work)
    begun: list[Key] = []
    given_back: list[Key] = []
    for unit, _ in dispatch:
        begun += unit.keys
        given_back += dispatch.give_back(data.draw(st.frozensets(st.sampled_from(everything))))

    assert sorted(begun + given_back) == sorted(everything)


SINGLE = TestWork("x", TestCase("x", SimulateBody()), 1, 0)


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
        self.asked: list[tuple[str, bool]] = []
        self.slots.enter(running)
        self._answer = answer
        self.next_items = NextItems(self.slots, self._ask, patience_seconds=0.01 if answer is None else 60.0)

    def _ask(self, key: str, taken: bool) -> None:
        self.asked.append((key, taken))
        if self._answer is not None:
            asyncio.get_running_loop().call_soon(self._answer, self)

    async def find(self) -> str | None:
        found = (await self.next_items.find("1", self.running, SPEC)).order
        return None if found is None else found.test_id


def decline(slot: Slot) -> None:
    slot.next_items.note_decline(NoNext("1"))


def send(*work: PytestWork | TestWork) -> Callable[[Slot], None]:
    def answer(slot: Slot) -> None:
        slot.slots.enter(waiting(*work), after=slot.running)
        slot.next_items.note_arrival("2", "1")

    return answer


def test_the_same_dispatch_goes_on_first() -> None:
    slot = Slot(begun(pack("a"), pack("b", "c")))
    slot.slots.enter(waiting(pack("z")))

    assert ("b", []) == (asyncio.run(slot.find()), slot.asked)


def test_where_something_else_of_the_dispatch_is_next_the_driver_is_asked_what_comes_later() -> None:
    slot = Slot(begun(pack("a"), SINGLE), decline)
    slot.slots.enter(waiting(pack("z")))

    assert (None, [("1", True)]) == (asyncio.run(slot.find()), slot.asked)


def test_what_waits_on_the_node_is_kept_for_the_slot() -> None:
    slot = Slot(begun(pack("a")))
    follower = waiting(pack("b", "c"))
    slot.slots.enter(follower)

    assert ("b", []) == (asyncio.run(slot.find()), slot.asked)
    assert follower.heir_of is slot.running
    assert follower.under_way.give_back(frozenset({("b", ""), ("c", "")})) == [("c", "")]


def test_what_is_of_no_session_is_waited_for_and_not_promised() -> None:
    slot = Slot(begun(pack("a")), decline)
    slot.slots.enter(waiting(SINGLE))

    assert (None, [("1", True)]) == (asyncio.run(slot.find()), slot.asked)


@pytest.mark.parametrize("more", [True, False])
def test_the_driver_tells_whether_more_of_the_session_may_come(more: bool) -> None:
    slot = Slot(begun(pack("a")), lambda slot: slot.next_items.note_decline(NoNext("1", more=more)))

    assert asyncio.run(slot.next_items.find("1", slot.running, SPEC)) == Following(None, more)


def test_another_run_that_waits_for_the_slot_does_not_wait_for_an_answer() -> None:
    slot = Slot(begun(pack("a")))
    other = waiting(SINGLE)
    other.run = "another"
    slot.slots.enter(other)

    assert asyncio.run(slot.next_items.find("1", slot.running, SPEC)) == Following(None, more=True)
    assert [] == slot.asked


def test_where_no_answer_comes_more_may() -> None:
    slot = Slot(begun(pack("a")))

    assert asyncio.run(slot.next_items.find("1", slot.running, SPEC)) == Following(None, more=True)


@pytest.mark.parametrize(
    ("answer", "found"), [(send(pack("b")), "b"), (send(SINGLE), None), (send(), None), (decline, None)]
)
def test_the_driver_is_asked_when_nothing_waits(answer: Callable[[Slot], None], found: str | None) -> None:
    slot = Slot(begun(pack("a")), answer)

    assert (found, [("1", False)]) == (asyncio.run(slot.find()), slot.asked)


@pytest.mark.parametrize("first", ["the answer", "the dispatch"])
def test_what_was_on_its_way_when_the_driver_was_asked_is_waited_for(first: str) -> None:
    def arrive(slot: Slot) -> None:
        slot.slots.enter(waiting(pack("b")))
        slot.next_items.note_arrival("2", None)

    def answer(slot: Slot) -> None:
        if first == "the dispatch":
            arrive(slot)
            slot.next_items.note_decline(NoNext("1", "2"))
        else:
            slot.next_items.note_decline(NoNext("1", "2"))
            asyncio.get_running_loop().call_soon(arrive, slot)

    assert asyncio.run(Slot(begun(pack("a")), answer).find()) == "b"


def test_who_asks_again_hears_the_same() -> None:
    async def ask_twice(slot: Slot) -> list[str | None]:
        return [await slot.find(), await slot.find()]

    slot = Slot(begun(pack("a")), send(pack("b")))

    assert (["b", "b"], [("1", False)]) == (asyncio.run(ask_twice(slot)), slot.asked)


def test_a_driver_that_does_not_answer_is_not_waited_for() -> None:
    assert asyncio.run(Slot(begun(pack("a"))).find()) is None


def test_a_run_that_is_stopped_promises_nothing() -> None:
    slot = Slot(begun(pack("a")), lambda slot: slot.next_items.give_up())

    assert asyncio.run(slot.find()) is None
    slot.slots.enter(waiting(pack("b")))
    assert (None, [("1", False)]) == (asyncio.run(slot.find()), slot.asked)


def test_a_dispatch_that_is_done_meanwhile_has_nothing_to_follow_it() -> None:
    def end(slot: Slot) -> None:
        slot.slots.leave(slot.running)
        slot.slots.enter(waiting(pack("b")))
        decline(slot)

    assert asyncio.run(Slot(begun(pack("a")), end).find()) is None
