"""The dispatches of a node: what of each has begun, which has a slot, which waits for which, and what follows one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from uuid import UUID

from msgspec.structs import replace

from pulseq.background import Background
from pulseq.models import Key
from pulseq.protocol.to_node import NoNext
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work, pack_name
from pulseq.pytest_sessions import Following, PytestOrder, PytestSpec

#: What a dispatch counts at least: its way through the node is no less than that.
_LEAST_SECONDS = 0.005
#: So long a dispatch keeps its slot although another run, which has had less, waits for one.
KEEP_SECONDS = 0.5
#: An answer that takes longer than this is not waited for: pytest is then told of no next item.
PATIENCE_SECONDS = 5.0


class DispatchUnderWay:
    """The task runs of a dispatch, begun one after the other.

    Attributes:
        begun: the piece of work that was begun last.
        asking: held while tests are asked back, of which its node tells before it tells that the dispatch is done.
    """

    def __init__(self, dispatch: Dispatch, without: AbstractSet[Key] = frozenset()) -> None:
        self.begun: Work | None = None
        self.asking = asyncio.Lock()
        self._promised: Key | None = None
        self._waiting = list(zip(dispatch.work, dispatch.task_runs, strict=True))
        self.give_back(without)

    def __iter__(self) -> Iterator[tuple[Work, UUID]]:
        """Begin one after the other, as long as there are any."""
        while self._waiting:
            self.begun, task_run = self._waiting.pop(0)
            yield self.begun, task_run

    def give_back(self, tests: AbstractSet[Key]) -> list[Key]:
        """Take these tests out of what has not begun; those that were there."""
        taken: list[Key] = []
        left: list[tuple[Work, UUID]] = []
        for work, task_run in self._waiting:
            wanted = self._to_give(work, tests)
            taken += wanted
            if len(wanted) < len(work.keys):
                left.append((without_tests(work, wanted) if wanted else work, task_run))
        self._waiting = left
        return taken

    def _to_give(self, work: Work, tests: AbstractSet[Key]) -> list[Key]:
        wanted = [key for key in work.keys if key in tests and key != self._promised]
        return [] if is_whole(work) and len(wanted) < len(work.keys) else wanted

    def orders_of(self, tests: AbstractSet[Key]) -> frozenset[PytestOrder]:
        """The items of the pack that has begun and that may still wait there, among these tests."""
        if not isinstance(self.begun, PytestWork) or len(self.begun.orders) < 2 or self.begun.whole:
            return frozenset()
        return frozenset(order for order in self.begun.orders if order.key in tests - {self._promised})

    @property
    def has_more(self) -> bool:
        """Whether a piece of work has not begun."""
        return bool(self._waiting)

    def promise_first(self, spec: PytestSpec) -> PytestOrder | None:
        """The item that begins next, which then stays here; None where no runner of this session goes on with it."""
        work = self._waiting[0][0] if self._waiting else None
        if not isinstance(work, PytestWork) or work.spec != spec or work.fresh:
            return None
        self._promised = work.orders[0].key
        return work.orders[0]


def is_whole(work: Work) -> bool:
    """Whether it can be given back as a whole alone."""
    return isinstance(work, PytestWork) and work.whole


def without_tests(work: Work, tests: Iterable[Key]) -> Work:
    """A pack with fewer items, under a name that tells of these alone."""
    if isinstance(work, TestWork):
        return work
    orders = tuple(order for order in work.orders if order.key not in tests)
    return replace(work, orders=orders, name=pack_name(orders))


@dataclass(slots=True, eq=False)
class Place:
    """A dispatch on its node, from its arrival to its end.

    Attributes:
        run: the id of its run.
        give_back: has it give back what of it has not begun, so that its slot is free sooner.
        turn: set when it may go on: it has a slot, or it is not to wait for one any longer.
        number: its place among all arrivals.
        since: when it got its slot.
        heir: who gets its slot when it is done, whoever else waits; `heir_of` is the other end of that.
    """

    under_way: DispatchUnderWay
    priority: int = 0
    run: str = ""
    give_back: Callable[[], None] = lambda: None
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    number: int = 0
    since: float = 0.0
    has_slot: bool = False
    has_given_back: bool = False
    heir: Place | None = None
    heir_of: Place | None = None

    def bequeath(self, heir: Place | None) -> None:
        """Have this one get the slot, or nobody in particular."""
        if self.heir is not None:
            self.heir.heir_of = None
        self.heir = heir
        if heir is not None:
            heir.heir_of = self


class NodeSlots:
    """Gives the slots of a node to the dispatches of all runs there, the highest priority first, then in turns.

    Next is the run that has had its slots for the shortest time so far, as in start-time fair queueing (Goyal, Vin,
    Cheng 1997) with the seconds that a dispatch took as its cost. One that comes late, or had nothing here for a
    while, begins where the others are: it has nothing to make up for, and waits for nobody's queue.
    A driver may send more than there are slots, so that none of them waits for the way there.

    Attributes:
        on_change: called when somebody has come or gone.
    """

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._free = slots
        self._clock = clock
        self._line: list[Place] = []
        self._running: list[Place] = []
        self._arrivals = 0
        #: Seconds that runs have had of slots, and what one that has nothing here begins with.
        self._had: dict[str, float] = {}
        self._floor = 0.0

    def enter(self, place: Place, after: Place | None = None) -> None:
        """A dispatch has come; it gets the slot of `after` when that is done, else one now, or stands in line."""
        self._arrivals += 1
        place.number = self._arrivals
        self._had[place.run] = max(self._had.get(place.run, 0.0), 0.0 if self._is_here(place.run) else self._floor)
        if after is not None and after.has_slot and after.heir is None:
            after.bequeath(place)
        elif self._free:
            self._free -= 1
            self._give_slot(place)
        else:
            self._line.append(place)
        self.on_change()

    def leave(self, place: Place) -> None:
        """A dispatch is done, or waits no longer."""
        if place.has_slot:
            self._hand_on(place)
        elif place.heir_of is not None:
            place.heir_of.bequeath(None)
        elif place in self._line:
            self._line.remove(place)
        self.on_change()

    def _hand_on(self, place: Place) -> None:
        successor = self.next_after(place)
        place.has_slot = False
        self._running.remove(place)
        self._had[place.run] += self._seconds_of(place)
        if successor is None:
            self._free += 1
            # Who has nothing here, and has had no more than the others, is like one that comes for the first time.
            self._had = {run: had for run, had in self._had.items() if had > self._floor or self._is_here(run)}
            return
        if successor is not place.heir:
            self._line.remove(successor)
        place.bequeath(None)
        self._give_slot(successor)

    def next_after(self, place: Place) -> Place | None:
        """Who would get the slot of this dispatch if it were done now."""
        return place.heir or min(self._line, key=lambda one: self._rank(one, leaving=place), default=None)

    def reserve(self, place: Place, heir: Place) -> None:
        """Keep the slot of a dispatch for one that stands in line, or that has been its heir before."""
        if place.heir is not heir:
            self._line.remove(heir)
            place.bequeath(heir)

    def make_room(self) -> bool:
        """Have dispatches give back what they have not begun, one for each of another run that has a better right.

        Returns:
            whether it is worth another look soon.
        """
        asked = False
        for waiting in sorted(self._line, key=self._rank):
            holders = [one for one in self._running if self._is_before(waiting, one)]
            asked = asked or bool(holders)
            due = [one for one in holders if self._clock() - one.since >= KEEP_SECONDS]
            if due:
                holder = max(due, key=lambda one: self._had_by(one.run))
                holder.has_given_back = True
                holder.give_back()
        return asked

    def _is_before(self, waiting: Place, holder: Place) -> bool:
        if holder.has_given_back or holder.run == waiting.run or holder.priority > waiting.priority:
            return False
        return holder.priority < waiting.priority or self._had_by(waiting.run) < self._had_by(holder.run)

    def _rank(self, place: Place, leaving: Place | None = None) -> tuple[int, float, int, int]:
        at_work = sum(one.run == place.run and one is not leaving for one in self._running)
        return -place.priority, self._had_by(place.run), at_work, place.number

    def _had_by(self, run: str) -> float:
        return self._had.get(run, 0.0) + sum(self._seconds_of(one) for one in self._running if one.run == run)

    def _seconds_of(self, place: Place) -> float:
        return max(self._clock() - place.since, _LEAST_SECONDS)

    def _is_here(self, run: str) -> bool:
        return any(one.run == run for one in (*self._running, *self._line))

    def _give_slot(self, place: Place) -> None:
        self._floor = max(self._floor, self._had_by(place.run))
        place.since = self._clock()
        place.has_slot = True
        self._running.append(place)
        place.turn.set()


class GivingWay:
    """Has long dispatches give way to other runs, which have had less of their node.

    It looks when somebody comes or goes, and again for as long as another run waits there.
    """

    def __init__(self, slots: NodeSlots, on_death: Callable[[str, BaseException], None]) -> None:
        self._slots = slots
        self._background = Background(on_death)
        self._looks_again = False
        slots.on_change = self._look

    def _look(self) -> None:
        if not self._looks_again and self._slots.make_room():
            self._looks_again = True
            self._background.later(KEEP_SECONDS / 2, self._look_again)

    def _look_again(self) -> None:
        self._looks_again = False
        self._look()

    async def close(self) -> None:
        """Look no more."""
        await self._background.end()


@dataclass(slots=True)
class _Question:
    """What the driver was asked about a dispatch, with the dispatches that have come since."""

    answered: asyncio.Future[None]
    arrived: set[str] = field(default_factory=set)
    waits_for: str | None = None
    more: bool = True


class NextItems:
    """Finds what a slot runs after the batch that it is at: pytest has to know it before the last item begins.

    It is in the dispatch itself, or among those that wait on this node, or the driver is asked.

    Args:
        slots: those of the node.
        ask: sends the question about a dispatch, and whether its slot is taken; its answer is a dispatch that came,
            or that there is none.
    """

    def __init__(
        self, slots: NodeSlots, ask: Callable[[str, bool], None], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._slots = slots
        self._ask = ask
        self._patience_seconds = patience_seconds
        self._asked: dict[str, _Question] = {}
        self._given_up = False

    async def find(self, key: str, place: Place, spec: PytestSpec) -> Following:
        """The item of this session that the slot of a dispatch runs after what it has begun, which is then a promise.

        None where it goes on with something else, or where nothing is known. To ask again is to hear the same.
        """
        order = self._promise(place, spec)
        if order is not None or self._given_up:
            return Following(order)
        has_more, heir = place.under_way.has_more, self._slots.next_after(place)
        if heir is not None and heir.run != place.run and not has_more:
            return Following(more=True)  # another run waits for the slot, and not for an answer
        answer = await self._ask_driver(key, has_more or heir is not None)
        return answer._replace(order=self._promise(place, spec))

    def _promise(self, place: Place, spec: PytestSpec) -> PytestOrder | None:
        if place.under_way.has_more:
            return place.under_way.promise_first(spec)
        heir = self._slots.next_after(place)
        if heir is None or self._given_up or not place.has_slot:
            return None
        order = heir.under_way.promise_first(spec)
        if order is not None:
            self._slots.reserve(place, heir)
        return order

    def note_arrival(self, key: str, after: str | None) -> None:
        """A dispatch has come: to follow another one, or to wait for any slot."""
        for asked, question in list(self._asked.items()):
            question.arrived.add(key)
            if asked == after or question.waits_for == key:
                self.forget(asked)

    def note_decline(self, answer: NoNext) -> None:
        """The driver sends nothing to follow a dispatch."""
        question = self._asked.get(answer.key)
        if question is None:
            return
        question.more = answer.more
        if answer.coming is None or answer.coming in question.arrived:
            self.forget(answer.key)
        else:
            question.waits_for = answer.coming

    def forget(self, key: str) -> None:
        """Nothing more is to be heard about a dispatch."""
        question = self._asked.pop(key, None)
        if question is not None and not question.answered.done():
            question.answered.set_result(None)

    def give_up(self) -> None:
        """The run is stopped: nothing follows."""
        self._given_up = True
        for key in list(self._asked):
            self.forget(key)

    async def _ask_driver(self, key: str, taken: bool) -> Following:
        """Whether more of the session may come, once there is an answer; without one it may."""
        if key not in self._asked:
            self._asked[key] = _Question(asyncio.get_running_loop().create_future())
            self._ask(key, taken)
        question = self._asked[key]
        await asyncio.wait({question.answered}, timeout=self._patience_seconds)
        return Following(more=question.more and not self._given_up)
