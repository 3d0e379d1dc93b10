"""The tests that wait and have equal requirements, in the order in which they are to go."""

from __future__ import annotations

import bisect
import heapq
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from operator import attrgetter

from pulseq.models import Priority
from pulseq.planning.packing import DispatchFill, Pace, PackLimits, expected
from pulseq.planning.queued import QueuedTest
from pulseq.planning.strategies import OrderKey

NANOSECONDS = 10**9

_BY_SEQUENCE = attrgetter("sequence")


def bundle_key(test: QueuedTest) -> Hashable:
    """What tests that wait together have in common; a scope stays whole whatever the priorities in it."""
    return (test.pack, test.priority) if test.scope is None else (test.pack, test.scope, None)


@dataclass(slots=True, eq=False)
class Bundle:
    """Tests that wait together in the order of the suite: one, what is left of a file of a pytest session, or a scope.

    Attributes:
        place: the number of its one valid entry in the heap; 0 while a node holds it.
        holder: the node that has begun a file and goes on with it, so that fixtures are shared.
    """

    tests: list[QueuedTest] = field(default_factory=list)
    seconds: float = 0.0
    place: int = 0
    holder: str | None = None

    def add(self, test: QueuedTest, limits: PackLimits) -> None:
        """One more waits here."""
        if self.tests and self.tests[-1].sequence > test.sequence:  # it was picked and is back
            bisect.insort(self.tests, test, key=_BY_SEQUENCE)
        else:
            self.tests.append(test)
        self.seconds += expected(test, limits) or 0.0

    @property
    def head(self) -> QueuedTest:
        return self.tests[0]

    @property
    def priority(self) -> Priority:
        """That of its tests; of a scope, which goes as a whole, the highest in it."""
        return self.head.priority if self.head.scope is None else max(test.priority for test in self.tests)

    def head_seconds(self, limits: PackLimits) -> float | None:
        """How long the dispatch takes that would be cut from it; None for a test of unknown length."""
        if self.head.pack is None:
            return self.head.expected_seconds
        return self.seconds if self.head.scope is not None else min(self.seconds, limits.pack_seconds)

    def least_seconds(self, limits: PackLimits) -> float | None:
        """How long the shortest dispatch takes that could be cut from it; None for a test of unknown length.

        What can be spread over slots outlasts nothing, however long all of it is.
        """
        whole = self.head.scope is not None or math.isinf(limits.pack_seconds)
        return self.seconds if self.head.pack is not None and whole else expected(self.head, limits)

    def fits(self, fill: DispatchFill) -> bool:
        """Whether a dispatch takes its first test; of a scope all of them, or it is the first in there."""
        if self.head.scope is None or fill.count == 0:
            return fill.takes(self.head)
        trial = replace(fill)
        for test in self.tests:
            if not trial.takes(test):
                return False
            trial.add(test)
        return True

    def cut(self, fill: DispatchFill, before: int | None = None) -> list[QueuedTest]:
        """Take out of the front what goes into a dispatch, up to a place in the order of the suite; a scope whole."""
        if self.head.scope is not None:
            for test in self.tests:
                fill.add(test)
            return self._take_out(len(self.tests), fill.limits)
        most = len(self.tests) if before is None else bisect.bisect_left(self.tests, before, key=_BY_SEQUENCE)
        count = 0
        while count < most and fill.takes(self.tests[count]):
            fill.add(self.tests[count])
            count += 1
        if 0 < count < most:
            count = fill.stretched(self.tests[:most], count)
        return self._take_out(count, fill.limits)

    def _take_out(self, count: int, limits: PackLimits) -> list[QueuedTest]:
        taken = self.tests[:count]
        del self.tests[:count]
        self.seconds -= sum(expected(test, limits) or 0.0 for test in taken)
        return taken


@dataclass(slots=True)
class Sum:
    """What waits, in one class or in all together, kept with each test: a queue is asked for it at each pick.

    Attributes:
        waiting: how many tests.
        known_ns: what those of known length are expected to take; whole nanoseconds, since a sum of
            floats would drift as tests come and go.
        unknown: how many of them are of unknown length.
    """

    waiting: int = 0
    known_ns: int = 0
    unknown: int = 0

    def seconds(self, pace: Pace) -> float:
        """How long it is expected to take; single tests of unknown length count as packed ones."""
        known = self.known_ns / NANOSECONDS
        return known + self.unknown * pace.typical_seconds if self.unknown else known


#: (priority from the highest, order within it, place, bundle).
Entry = tuple[int, OrderKey, int, Bundle]


@dataclass(slots=True, eq=False)
class RequirementClass:
    """One class of requirements and its waiting tests.

    Attributes:
        bit: the class in a node's mask of the classes that it fits.
        room: slots of all nodes that fit.
        nodes: how many nodes fit.
        total: what waits in all classes, this one included.
        own: what waits in this one.
        in_order: whether the items of a pytest session go in the order of their collection, whatever they take: on
            one slot no other order ends sooner, and this is the one that their authors know.
        ordered: whether they do so because some of them rely on it, on any number of slots.
    """

    key: Hashable
    bit: int
    order_key: Callable[[float | None, int], OrderKey]
    limits: PackLimits
    pace: Pace
    total: Sum = field(default_factory=Sum)
    room: int = 0
    nodes: int = 0
    own: Sum = field(default_factory=Sum)
    in_order: bool = False
    ordered: bool = False
    _heap: list[Entry] = field(default_factory=list)
    _packs: dict[Hashable, Bundle] = field(default_factory=dict)
    _grown: dict[Bundle, None] = field(default_factory=dict)
    #: Files that nodes have begun, the one whose last dispatch is the oldest first.
    _held: dict[str, list[Bundle]] = field(default_factory=dict)
    _places: int = 0

    def add(self, test: QueuedTest) -> None:
        """A test waits; a packed one with those of its file."""
        self._account(test, 1)
        if test.pack is None:
            bundle = Bundle()
            bundle.add(test, self.limits)
            self._push(bundle)
            return
        bundle = self._packs.setdefault(bundle_key(test), Bundle())
        bundle.add(test, self.limits)
        # Its place is found when it is asked for: a file comes item by item.
        self._grown[bundle] = None

    @property
    def seconds(self) -> float:
        """How long what waits is expected to take; single tests of unknown length count as packed ones."""
        return self.own.seconds(self.pace)

    @property
    def waiting(self) -> int:
        """How many tests wait."""
        return self.own.waiting

    def head_seconds(self, bundle: Bundle) -> float | None:
        """How long the dispatch takes that would be cut from a bundle; None for a test of unknown length."""
        return bundle.head_seconds(self.limits)

    def least_seconds(self, bundle: Bundle) -> float | None:
        """How long the shortest dispatch takes that could be cut from a bundle; None for a test of unknown length."""
        return bundle.least_seconds(self.limits)

    def set_in_order(self, in_order: bool) -> None:
        """Let the items of a pytest session go in the order of their collection, or in that of the strategy."""
        if in_order == self.in_order:
            return
        self.in_order = in_order
        for node_id in list(self._held):
            self.release(node_id)
        waiting = [bundle for _, _, place, bundle in self._heap if place == bundle.place]
        self._heap.clear()
        for bundle in waiting:
            self._push(bundle)

    def head(self) -> Entry | None:
        """What goes next: of the highest priority what nobody has begun, else the longest that a node has."""
        top = self._top()
        if not self._held:
            return top
        held = [bundle for bundles in self._held.values() for bundle in bundles]
        if top is not None and -top[0] >= max(int(bundle.priority) for bundle in held):
            return top
        best = max(held, key=lambda bundle: (bundle.priority, bundle.seconds))
        return self._entry(best)

    def take(self, fill: DispatchFill, *, slots: int = 1) -> list[QueuedTest]:
        """Take out a dispatch for a node with so many slots: tests of the head's priority, as far as they fill it."""
        taken: list[QueuedTest] = []
        first = self.head()
        for _ in range(self.limits.most_bundles):
            bundle = None if first is None else self._find_source(fill.node_id, slots, -first[0])
            if bundle is None or not bundle.fits(fill):
                break
            self._detach(bundle)
            key = bundle_key(bundle.head)
            taken += bundle.cut(fill, self._next_in_order(bundle))
            if not bundle.tests:
                self._packs.pop(key, None)
            elif self.in_order:
                self._push(bundle)
            else:
                bundle.holder = fill.node_id
                self._held.setdefault(fill.node_id, []).append(bundle)
                break
        for test in taken:
            self._account(test, -1)
        return taken

    def next_bundle(self, node_id: str, *, slots: int = 1) -> Bundle | None:
        """What the dispatch would begin with that such a node would get."""
        first = self.head()
        return None if first is None else self._find_source(node_id, slots, -first[0])

    def release(self, node_id: str) -> None:
        """A node takes nothing more: what it has begun is anybody's."""
        for bundle in self._held.pop(node_id, []):
            bundle.holder = None
            self._push(bundle)

    def _top(self) -> Entry | None:
        if self._grown:
            for bundle in self._grown:
                if bundle.holder is None:
                    self._push(bundle)
            self._grown.clear()
        heap = self._heap
        while heap and heap[0][3].place != heap[0][2]:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _find_source(self, node_id: str, slots: int, priority: int) -> Bundle | None:
        """A file that the node has begun, where it has one for each slot; then a new one; then another node's."""
        top = self._top()
        fresh = top[3] if top is not None and -top[0] == priority else None
        own = [bundle for bundle in self._held.get(node_id, ()) if bundle.priority == priority]
        if own and (top is None or fresh is None or (len(own) >= slots and not self._is_more_urgent(top, own[0]))):
            return own[0]
        if fresh is not None:
            return fresh
        held = (bundle for bundles in self._held.values() for bundle in bundles if bundle.priority == priority)
        return max(held, key=lambda bundle: bundle.seconds, default=None)

    def _is_more_urgent(self, top: Entry, begun: Bundle) -> bool:
        # Of two files neither: to go on with one is what a node is to do.
        return top[3].head.pack is None and top[1] < self._entry(begun)[1]

    def _detach(self, bundle: Bundle) -> None:
        if bundle.holder is None:
            heapq.heappop(self._heap)
            bundle.place = 0
            return
        held = self._held[bundle.holder]
        held.remove(bundle)
        if not held:
            del self._held[bundle.holder]
        bundle.holder = None

    def withdraw(self) -> list[QueuedTest]:
        """Take out all that waits, in no particular order."""
        for node_id in list(self._held):
            self.release(node_id)
        bundles = dict.fromkeys(entry[3] for entry in self._heap) | self._grown
        self._heap.clear()
        self._packs.clear()
        self._grown.clear()
        tests = [test for bundle in bundles for test in bundle.tests]
        for test in tests:
            self._account(test, -1)
        return tests

    def _push(self, bundle: Bundle) -> None:
        self._places += 1
        bundle.place = self._places
        heapq.heappush(self._heap, self._entry(bundle))

    def _entry(self, bundle: Bundle) -> Entry:
        # A file of short items is as urgent as the dispatch that would be cut from it, not as its sum.
        seconds = None if self.in_order and bundle.head.collected else self.head_seconds(bundle)
        return (-int(bundle.priority), self.order_key(seconds, bundle.head.sequence), bundle.place, bundle)

    def _next_in_order(self, bundle: Bundle) -> int | None:
        """Where what is cut from a bundle has to end, because something else stands there in the suite."""
        top = self._top() if self.in_order and bundle.head.collected else None
        if top is None or top[0] != -int(bundle.priority):
            return None
        unknown, sequence = self.order_key(None, top[1][1])
        return sequence if top[1][0] == unknown else None

    def _account(self, test: QueuedTest, sign: int) -> None:
        known = test.expected_seconds is not None
        nanoseconds = sign * round((expected(test, self.limits) or 0.0) * NANOSECONDS) if known else 0
        for one in (self.own, self.total):
            one.waiting += sign
            one.known_ns += nanoseconds
            one.unknown += 0 if known else sign
