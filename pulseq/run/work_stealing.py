"""Work stealing: what is asked back, for slots that are idle while others have a queue of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, takewhile

from pulseq.models import Key
from pulseq.planning.queued import QueuedTest
from pulseq.planning.sharing import Lane, Left, share_out
from pulseq.protocol.from_node import TestsGivenBack
from pulseq.run.in_flight import DispatchInFlight, InFlight
from pulseq.run.ledger import Ledger
from pulseq.run.run_queue import RunQueue

#: A dispatch of which nothing could be had is asked again after this long, if then it still is worth it.
_PAUSE_SECONDS = 0.25
#: An answer that takes longer than this is not waited for.
_PATIENCE_SECONDS = 5.0

#: (dispatch, its node, tests): ask for these.
Ask = Callable[[str, str, list[Key]], None]


#: What a slot can give back, with the dispatch that it is of: a test, or all that is of one scope.
_Unit = tuple[str, tuple[QueuedTest, ...]]


@dataclass(slots=True)
class _SlotQueue:
    """Dispatches that one slot of a node does one after the other: what can be had of them, the last at the end.

    `running_seconds` is what runs, with what cannot be had; `seconds` is all.
    """

    running_seconds: float
    units: list[_Unit]
    seconds: float

    def append(self, other: _SlotQueue) -> None:
        """What `other` has is done after this."""
        self.units += other.units
        self.seconds += other.seconds


class WorkStealing:
    """Asks nodes for tests that they have not begun, for as many slots as have nothing to do.

    Args:
        ask: sends the question; the answer is for `take`.
    """

    def __init__(self, in_flight: InFlight, queue: RunQueue, ask: Ask) -> None:
        self._in_flight = in_flight
        self._queue = queue
        self._ask = ask
        #: Dispatches that were asked, and when.
        self._asked: dict[str, float] = {}
        #: Of those that had answered with nothing, when they may be asked again.
        self._not_before: dict[str, float] = {}
        self._next_look = self._next_ask = float("-inf")

    def look(self, now: float) -> float | None:
        """Ask for what is worth it, for the slots that are idle; seconds until another look, should nothing happen."""
        if not self._queue.may_steal:
            return None
        if now < self._next_look:
            return _PAUSE_SECONDS
        began = time.monotonic()
        self._forget_old(now)
        lanes = self._slot_queues(now)
        idle = self._keep_wanted(lanes)
        self._share(lanes, idle - len(self._asked), now)
        # A large fleet takes long to look at: a tenth of the time at most goes into that.
        self._next_look = now + max(_PAUSE_SECONDS / 10, 10 * (time.monotonic() - began))
        return _PAUSE_SECONDS if self._not_before else None

    def ask_for(self, node_id: str, wanted: Callable[[QueuedTest], bool], now: float) -> bool:
        """Ask for what a slot of a node can go on with, since it is about to run out; whether an answer is to come.

        Args:
            wanted: whether that slot goes on with a test.
        """
        if not self._queue.may_steal:
            return False
        self._forget_old(now)
        if not self._asked and now >= self._next_ask:
            began = time.monotonic()
            lanes = self._slot_queues(now)
            for lane in lanes:
                self._keep_last(lane, lambda test: wanted(test) and self._queue.may_go(test, node_id))
            self._share(lanes, 1, now)
            self._next_ask = now + 10 * (time.monotonic() - began)
        return bool(self._asked)

    def take_back(self, node_id: str) -> None:
        """Ask a node for all that it has not begun, whether others are idle or not: it is being drained."""
        now = time.monotonic()
        for key, dispatch in list(self._in_flight.on(node_id).items()):
            begun = dispatch.running is not None
            units = units_of(dispatch) if self._queue.may_steal or not begun else []
            self._ask_back([(key, unit) for unit in units], now)

    def _share(self, lanes: list[_SlotQueue], idle: int, now: float) -> None:
        counts = share_out([self._as_lane(lane) for lane in lanes], idle)
        for lane, count in zip(lanes, counts, strict=True):
            self._ask_back(lane.units[len(lane.units) - count :], now)

    def _keep_wanted(self, lanes: list[_SlotQueue]) -> int:
        """Leave of each lane its last units that idle slots fit; how many such slots there are."""
        known: dict[tuple[object, frozenset[str]], int] = {}

        def fits(test: QueuedTest) -> bool:
            kind = (test.requirement_key, test.avoid)
            if kind not in known:
                known[kind] = self._queue.idle_slots(test)
            return known[kind] > 0

        for lane in lanes:
            self._keep_last(lane, fits)
        return max(known.values(), default=0)

    def _keep_last(self, lane: _SlotQueue, wanted: Callable[[QueuedTest], bool]) -> None:
        """Leave of a lane the last units that are wanted."""
        last = takewhile(lambda unit: all(map(wanted, unit[1])), reversed(lane.units))
        lane.units = lane.units[len(lane.units) - sum(1 for _ in last) :]

    def take(self, answer: TestsGivenBack, ledger: Ledger) -> list[QueuedTest]:
        """A node has answered: the tests that it will not run, which are anybody's now.

        None of them where the node was lost meanwhile, or the dispatch is over: then all was told otherwise.
        """
        dispatch = self._in_flight.by_key.get(answer.key)
        held = dispatch.tests if dispatch is not None else {}
        tests = {key: held.pop(key) for key in answer.tests if key in held}
        self._asked.pop(answer.key, None)
        if not tests:  # left alone for a while
            self._not_before[answer.key] = time.monotonic() + _PAUSE_SECONDS
        return [test for key, test in tests.items() if ledger.give_back(key)]

    def _forget_old(self, now: float) -> None:
        under_way = self._in_flight.by_key
        self._asked = {key: at for key, at in self._asked.items() if key in under_way and now - at < _PATIENCE_SECONDS}
        self._not_before = {key: at for key, at in self._not_before.items() if key in under_way and at > now}

    def _slot_queues(self, now: float) -> list[_SlotQueue]:
        by_node: dict[str, list[_SlotQueue]] = {}
        for key, dispatch in self._in_flight.by_key.items():
            if dispatch.follows in self._in_flight.by_key:
                continue  # it comes with that one
            lanes = by_node.setdefault(dispatch.node_id, [])
            one = self._slot_queue(key, dispatch, now)
            if (following := self._in_flight.follower_of(key)) is not None:
                self._bind(one, self._slot_queue(*following, now))
            if dispatch.running is not None or len(lanes) < self._queue.slots_of(dispatch.node_id):
                lanes.append(one)
            else:  # it waits on the node for the slot that is free first
                min(lanes, key=lambda lane: lane.seconds).append(one)
        return [lane for lanes in by_node.values() for lane in lanes]

    def _bind(self, lane: _SlotQueue, follower: _SlotQueue) -> None:
        """The first of what a slot has got ahead begins there, and all before it."""
        lane.append(follower)
        lane.units = follower.units[1:]
        lane.running_seconds = lane.seconds - sum(self._seconds_of(unit) for _, unit in lane.units)

    def _slot_queue(self, key: str, dispatch: DispatchInFlight, now: float) -> _SlotQueue:
        units = units_of(dispatch)
        running = dispatch.tests.get(dispatch.running) if dispatch.running is not None else None
        elapsed = now - dispatch.began_at if running is not None else 0.0
        expected = self._queue.seconds_of(running) if running is not None else 0.0
        # One that takes longer than it was expected to may go on for as long again.
        left = expected - elapsed if elapsed < expected else elapsed
        # What has not begun but has to stay runs before what can be had.
        left += sum(map(self._queue.seconds_of, dispatch.not_begun())) - sum(map(self._seconds_of, units))
        seconds = left + sum(map(self._seconds_of, units))
        # A slot that is idle may have gone past what stands in their order before its own last one.
        ordered = any(unit[0].ordered for unit in units)
        may = key not in self._asked and key not in self._not_before and not ordered
        return _SlotQueue(left, [(key, unit) for unit in units] if may else [], seconds)

    def _seconds_of(self, unit: tuple[QueuedTest, ...]) -> float:
        return sum(map(self._queue.seconds_of, unit))

    def _as_lane(self, lane: _SlotQueue) -> Lane:
        return Lane(
            lane.running_seconds,
            tuple(Left(self._seconds_of(unit), unit[0].group or unit[0].key) for _, unit in lane.units),
        )

    def _ask_back(self, units: list[_Unit], now: float) -> None:
        by_dispatch: dict[str, list[Key]] = {}
        for key, tests in units:
            by_dispatch.setdefault(key, []).extend(test.key for test in tests)
        for key, wanted in by_dispatch.items():
            self._asked[key] = now
            self._ask(key, self._in_flight.by_key[key].node_id, wanted)


def units_of(dispatch: DispatchInFlight) -> list[tuple[QueuedTest, ...]]:
    """What of a dispatch can be given back, in its order: single tests, and whole scopes of which nothing has begun."""
    waiting = [test for test in dispatch.not_begun() if (test.pack, test.scope) not in dispatch.scopes_begun]
    runs = groupby(waiting, key=lambda test: test.key if test.scope is None else (test.pack, test.scope))
    return [tuple(tests) for _, tests in runs]
