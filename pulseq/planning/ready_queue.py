"""The queue of tests that wait: what goes next, and where. Pure: no clock, no I/O.

Tests with equal requirements form a class; a class knows which nodes fit it, so that a pick costs
by the number of classes and not by the number of tests. At one priority the class with the fewest
slots to go to is served first: its tests have no other place, the rest can go elsewhere.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pulseq.models import CapabilityValue, Strategy
from pulseq.planning.choosing import STRATEGIES, OrderKey
from pulseq.planning.packing import Bundle, DispatchFill, PackLimits, expected
from pulseq.planning.queued import NodeLoad, NodeOffer, QueuedTest

#: (requirements as a key, capabilities) → whether a node with these fits.
Fits = Callable[[Hashable, Mapping[str, CapabilityValue]], bool]
#: While tests are this short on average a node holds as many dispatches more as it has slots, so that
#: a slot never waits for the way there.
_SHORT_SECONDS = 0.25
_Entry = tuple[OrderKey, int, Bundle]


@dataclass(frozen=True, slots=True)
class Pick:
    """An instruction: give these tests to this node now, together."""

    node_id: str
    tests: tuple[QueuedTest, ...]


@dataclass(slots=True)
class _RequirementClass:
    key: Hashable
    heaps: dict[int, list[_Entry]] = field(default_factory=dict)
    packs: dict[object, Bundle] = field(default_factory=dict)
    fitting: set[str] = field(default_factory=set)
    room: int = 0
    waiting: int = 0

    def best_priority(self) -> int | None:
        return max((priority for priority, heap in self.heaps.items() if heap), default=None)

    def tests(self) -> list[QueuedTest]:
        return [test for heap in self.heaps.values() for entry in heap for test in entry[2].tests]


@dataclass(slots=True)
class _Node:
    offer: NodeOffer
    order: int
    used: int = 0
    given: int = 0
    open: bool = True


class ReadyQueue:
    """Which test goes to which node next.

    Args:
        fits: whether a node's capabilities satisfy a class of requirements.
        strategy: the order within a priority and the choice among free nodes.
        limits: how much travels in one dispatch.
    """

    def __init__(self, fits: Fits, *, strategy: Strategy = Strategy.ADAPTIVE, limits: PackLimits | None = None) -> None:
        self._fits = fits
        self._strategy = STRATEGIES[strategy]
        self._limits = limits or PackLimits()
        self._classes: dict[Hashable, _RequirementClass] = {}
        self._nodes: dict[str, _Node] = {}
        self._joined = 0
        self._pushed = 0
        self._seconds = 0.0
        self._unknown = 0

    def add(self, test: QueuedTest) -> None:
        """A test is ready to run."""
        group = self._classes.get(test.requirement_key)
        if group is None:
            group = self._classes[test.requirement_key] = _RequirementClass(test.requirement_key)
            for node in self._nodes.values():
                self._let_in(group, node)
        group.waiting += 1
        self._account(test, 1)
        waiting_pack = group.packs.get((test.pack, test.priority)) if test.pack is not None else None
        if waiting_pack is not None and waiting_pack.tests:
            waiting_pack.tests.append(test)
            waiting_pack.seconds += expected(test, self._limits) or 0.0
            return
        bundle = Bundle(deque([test]), expected(test, self._limits) or 0.0)
        if test.pack is not None:
            group.packs[test.pack, test.priority] = bundle
        self._push(group, bundle)

    def node_joined(self, offer: NodeOffer) -> None:
        """A node is there, all of its slots free."""
        self.node_left(offer.id)
        self._joined += 1
        node = self._nodes[offer.id] = _Node(offer, self._joined)
        for group in self._classes.values():
            self._let_in(group, node)

    def node_left(self, node_id: str) -> None:
        """A node is gone; what it held is for the caller to add again."""
        node = self._nodes.pop(node_id, None)
        for group in self._classes.values():
            if node is not None and node_id in group.fitting:
                group.fitting.discard(node_id)
                group.room -= node.offer.slots

    def set_open(self, node_id: str, is_open: bool) -> None:
        """Give a node more tests, or none (drained, suspect)."""
        self._nodes[node_id].open = is_open

    def slot_freed(self, node_id: str) -> None:
        """A dispatch that the node held is done."""
        if node_id in self._nodes:
            self._nodes[node_id].used -= 1

    def withdraw(self, requirement_key: Hashable | None = None) -> list[QueuedTest]:
        """Take out what waits, in no particular order: all of it, or one class of requirements."""
        groups = list(self._classes.values()) if requirement_key is None else [self._classes[requirement_key]]
        out = [test for group in groups for test in group.tests()]
        for test in out:
            self._account(test, -1)
        for group in groups:
            group.heaps.clear()
            group.packs.clear()
            group.waiting = 0
        return out

    @property
    def waiting(self) -> int:
        """How many tests wait."""
        return sum(group.waiting for group in self._classes.values())

    @property
    def slots(self) -> int:
        """Slots of all nodes."""
        return sum(node.offer.slots for node in self._nodes.values())

    def homeless(self) -> list[Hashable]:
        """Classes of requirements that have tests waiting and no node that fits."""
        return [key for key, group in self._classes.items() if group.waiting and not group.fitting]

    def picks(self) -> Iterator[Pick]:
        """What to send now; each pick takes its slot and its tests as it is made."""
        while True:
            free = {node.offer.id for node in self._nodes.values() if node.open and node.used < self._capacity(node)}
            group = self._next_class(free) if free else None
            if group is None:
                return
            yield self._pick(group, free)

    def _capacity(self, node: _Node) -> int:
        waiting = self.waiting
        short = not self._unknown and waiting > 4 * self.slots and self._seconds / waiting < _SHORT_SECONDS
        return node.offer.slots * 2 if short else node.offer.slots

    def _next_class(self, free: set[str]) -> _RequirementClass | None:
        best: tuple[int, int, OrderKey, int] | None = None
        chosen: _RequirementClass | None = None
        for group in self._classes.values():
            priority = group.best_priority() if group.waiting and not free.isdisjoint(group.fitting) else None
            if priority is None:
                continue
            key, pushed, _ = group.heaps[priority][0]
            rank = (-priority, group.room, key, pushed)
            if best is None or rank < best:
                best, chosen = rank, group
        return chosen

    def _pick(self, group: _RequirementClass, free: set[str]) -> Pick:
        priority = group.best_priority()
        assert priority is not None
        heap = group.heaps[priority]
        node = self._choose_node(group, heap[0][2].head, free)
        tests = self._fill(group, heap)
        node.used += 1
        node.given += len(tests)
        return Pick(node.offer.id, tuple(tests))

    def _fill(self, group: _RequirementClass, heap: list[_Entry]) -> list[QueuedTest]:
        seconds = self._seconds + self._unknown * self._limits.unknown_seconds
        fill = DispatchFill(self._limits, seconds / max(self.slots, 1))
        tests: list[QueuedTest] = []
        bundles = 0
        while heap and bundles < self._limits.most_bundles and fill.takes(heap[0][2].head):
            bundles += 1
            _, _, bundle = heapq.heappop(heap)
            while bundle.tests and fill.takes(bundle.head):
                test = bundle.tests.popleft()
                fill.add(test)
                tests.append(test)
                bundle.seconds -= expected(test, self._limits) or 0.0
                self._account(test, -1)
            if bundle.tests:
                self._push(group, bundle)
                break
        group.waiting -= len(tests)
        return tests

    def _choose_node(self, group: _RequirementClass, test: QueuedTest, free: set[str]) -> _Node:
        candidates = [self._nodes[node_id] for node_id in free & group.fitting]
        untried = [node for node in candidates if node.offer.id not in test.avoid]
        scarcer = [other for other in self._classes.values() if other.waiting and other.room < group.room]
        loads = []
        for node in untried or candidates:
            wanted = sum(other.waiting for other in scarcer if node.offer.id in other.fitting)
            loads.append(NodeLoad(node.offer.id, node.offer.slots, node.used, node.given, wanted, node.order))
        return self._nodes[self._strategy.choose(loads).id]

    def _let_in(self, group: _RequirementClass, node: _Node) -> None:
        if self._fits(group.key, node.offer.capabilities):
            group.fitting.add(node.offer.id)
            group.room += node.offer.slots

    def _push(self, group: _RequirementClass, bundle: Bundle) -> None:
        self._pushed += 1
        heap = group.heaps.setdefault(int(bundle.head.priority), [])
        heapq.heappush(heap, (self._order(bundle), self._pushed, bundle))

    def _order(self, bundle: Bundle) -> OrderKey:
        # A file of short items is as urgent as the dispatch that would be cut from it, not as its sum.
        if not bundle.packed:
            return self._strategy.order_key(bundle.head)
        length = min(bundle.seconds, self._limits.pack_seconds)
        return self._strategy.order_key(replace(bundle.head, expected_seconds=length))

    def _account(self, test: QueuedTest, sign: int) -> None:
        if test.expected_seconds is None:
            self._unknown += sign
        else:
            self._seconds += sign * test.expected_seconds
