"""The queue of tests that wait: what goes next, and where. Pure: no clock, no I/O.

Tests with equal requirements form a class; a node knows which classes it fits, so that a pick costs
by the number of classes and free nodes and not by the number of tests.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Set
from dataclasses import dataclass
from operator import attrgetter

from pulseq.fleet import Strategy
from pulseq.models import CapabilityValue
from pulseq.planning.node_pool import NodePool, PooledNode
from pulseq.planning.packing import DispatchFill, Pace, PackLimits, expected
from pulseq.planning.queued import NodeOffer, QueuedTest
from pulseq.planning.requirement_class import NANOSECONDS, RequirementClass, Sum
from pulseq.planning.strategies import STRATEGIES, NodeLoad

#: Behind something this short anything may wait.
SHORT_WAIT_SECONDS = 1.0

#: (requirements as a key, capabilities) → whether a node with these fits.
Fits = Callable[[Hashable, Mapping[str, CapabilityValue]], bool]
#: While tests are this short on average a node holds as many dispatches more as it has slots, so that
#: a slot never waits for the way there. What waits on it is had back when another slot has nothing to do.
_SHORT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Pick:
    """An instruction: give these tests to this node now, together."""

    node_id: str
    tests: tuple[QueuedTest, ...]


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
        self._pace = Pace(self._limits.unknown_seconds, self._limits.least_seconds)
        self._classes: dict[Hashable, RequirementClass] = {}
        self._total = Sum()
        self._nodes = NodePool(self._strategy.rank)

    def add(self, test: QueuedTest) -> None:
        """A test is ready to run."""
        group = self._classes.get(test.requirement_key) or self._open_class(test.requirement_key)
        group.add(test)
        if test.ordered and not group.ordered:
            group.ordered = True
            self._keep_order()

    def node_joined(self, offer: NodeOffer) -> None:
        """A node is there, all of its slots free."""
        self.node_left(offer.id)
        groups = [group for group in self._classes.values() if self._fits(group.key, offer.capabilities)]
        node = self._nodes.join(offer, sum(group.bit for group in groups))
        for group in groups:
            self._count(group, node, 1)
        self._keep_order()

    def node_left(self, node_id: str) -> None:
        """A node is gone; what it held is for the caller to add again."""
        self.set_marked(node_id, True)  # nobody waits for it any more, and then it is not there at all
        self._nodes.leave(node_id)

    def set_open(self, node_id: str, is_open: bool) -> None:
        """Give a node more tests, or none for now (suspect)."""
        self._nodes.set_open(node_id, is_open)
        if not is_open:
            self._release(node_id)

    def set_marked(self, node_id: str, is_marked: bool) -> None:
        """Give a node nothing more, and let nothing hope for it (drained, cordoned), or take that back."""
        node = self._nodes.find(node_id)
        if node is None or node.marked == is_marked:
            return
        self._nodes.set_marked(node, is_marked)
        self._release(node_id)
        for group in self._classes.values():
            if node.fits & group.bit:
                self._count(group, node, -1 if is_marked else 1)
        self._keep_order()

    def learn(self, test: QueuedTest, seconds: float) -> None:
        """A test took so long: what history does not know of its file is reckoned with that."""
        if test.pack is not None and test.expected_seconds is None:
            self._pace.note(test.pack, seconds)

    def slot_freed(self, node_id: str) -> None:
        """A dispatch that the node held is done."""
        self._nodes.free_slot(node_id)

    def withdraw(self, requirement_key: Hashable | None = None) -> list[QueuedTest]:
        """Take out what waits, in no particular order: all of it, or one class of requirements."""
        groups = list(self._classes.values()) if requirement_key is None else [self._classes[requirement_key]]
        return [test for group in groups for test in group.withdraw()]

    @property
    def waiting(self) -> int:
        """How many tests wait."""
        return self._total.waiting

    @property
    def waiting_seconds(self) -> float:
        """How long what waits is expected to take; single tests of unknown length count as packed ones."""
        return self._total.seconds(self._pace)

    @property
    def slots(self) -> int:
        """Slots of all nodes that are not marked."""
        return self._nodes.slots

    @property
    def has_idle_slots(self) -> bool:
        """Whether a slot has nothing to do."""
        return bool(self._nodes.free(doubled=False))

    def idle_slots(self, test: QueuedTest) -> int:
        """How many slots have nothing to do that a test can go to."""
        group = self._classes.get(test.requirement_key)
        return sum(
            node.offer.slots - node.used
            for node in self._nodes.free(doubled=False)
            if group is not None and node.fits & group.bit and node.offer.id not in test.avoid
        )

    def may_go(self, test: QueuedTest, node_id: str) -> bool:
        """Whether a node that takes tests may have this one."""
        node, group = self._nodes.find_open(node_id), self._classes.get(test.requirement_key)
        return node is not None and group is not None and bool(node.fits & group.bit) and node_id not in test.avoid

    def waits_for(self, node_id: str) -> bool:
        """Whether a test waits that a node which takes tests may have."""
        node = self._nodes.find_open(node_id)
        return node is not None and any(group.waiting and node.fits & group.bit for group in self._classes.values())

    def slots_of(self, node_id: str) -> int:
        """The slots of a node; none of one that has left."""
        return self._nodes.slots_of(node_id)

    def seconds_of(self, test: QueuedTest) -> float:
        """What a test is reckoned with, whatever is known of it."""
        if test.expected_seconds is None and test.pack is not None:
            return self._pace.seconds_of(test.pack) or self._pace.typical_seconds
        return expected(test, self._limits) or self._pace.typical_seconds

    def loads(self) -> dict[str, NodeLoad]:
        """How busy each node is, by its id."""
        return {
            node.offer.id: NodeLoad(node.offer.slots, node.used, node.given, node.order, node.offer.slowness)
            for node in self._nodes
        }

    def waiting_by_class(self) -> dict[Hashable, int]:
        """How many tests wait of each class of requirements that has any."""
        return {key: group.waiting for key, group in self._classes.items() if group.waiting}

    def unmatched(self) -> list[Hashable]:
        """Classes of requirements that have tests waiting and no node that fits."""
        return [key for key, group in self._classes.items() if group.waiting and not group.nodes]

    def picks(self) -> Iterator[Pick]:
        """What to send now; each pick takes its slot and its tests as it is made."""
        while self.waiting:
            free = self._nodes.free(doubled=self._flows())
            group = self._next_class(free) if free else None
            if group is None:
                return
            yield self._pick(group, free)

    def prefetch(self, node_id: str, behind_seconds: float, wanted: Callable[[QueuedTest], bool]) -> Pick | None:
        """What a node would get if a slot of it were free now; it will have the slot of a dispatch that is there.

        None where it would get nothing, or something that is better not bound to that slot: a test that avoids the
        node, or that waits there while other slots that fit run out of work. Then nothing is changed.

        Args:
            behind_seconds: what it will wait for is expected to take so long.
            wanted: whether it is worth that if this is its first test.
        """
        node = self._nodes.find_open(node_id)
        group = self._next_class({node}) if node is not None else None
        bundle = group.next_bundle(node_id, slots=node.offer.slots) if node is not None and group is not None else None
        if node is None or group is None or bundle is None:
            return None
        bound = bundle.tests if bundle.head.scope is not None else [bundle.head]
        seconds = behind_seconds + sum(map(self.seconds_of, bound))
        late = group.room > 1 and behind_seconds > SHORT_WAIT_SECONDS and seconds > self.waiting_seconds / self.slots
        if late or any(node_id in test.avoid for test in bound) or not wanted(bundle.head):
            return None
        tests = self._take(group, node, idle=1)
        self._nodes.give_ahead(node, len(tests))
        return Pick(node_id, tests)

    def _keep_order(self) -> None:
        for group in self._classes.values():
            group.set_in_order(self.slots <= 1 or group.ordered)

    def _release(self, node_id: str) -> None:
        for group in self._classes.values():
            group.release(node_id)

    def _open_class(self, key: Hashable) -> RequirementClass:
        group = RequirementClass(
            key, 1 << len(self._classes), self._strategy.order_key, self._limits, self._pace, self._total
        )
        group.set_in_order(self.slots <= 1)
        self._classes[key] = group
        for node in self._nodes:
            if self._fits(key, node.offer.capabilities):
                node.fits |= group.bit
                if not node.marked:
                    self._count(group, node, 1)
        return group

    def _count(self, group: RequirementClass, node: PooledNode, sign: int) -> None:
        group.room += sign * node.offer.slots
        group.nodes += sign

    def _flows(self) -> bool:
        """Whether many short tests of known length wait."""
        waiting = self.waiting
        # To slots that go in the order of the suite nothing is sent that might overtake.
        if waiting <= self.slots or self.slots == 1 or any(group.ordered for group in self._classes.values()):
            return False
        if not self._pace.known and self._total.unknown:
            return False
        return self.waiting_seconds < _SHORT_SECONDS * waiting

    def _next_class(self, free: Set[PooledNode]) -> RequirementClass | None:
        reachable = 0
        for node in free:
            reachable |= node.fits
        best, chosen = None, None
        remaining = self._remaining_seconds()
        for group in self._classes.values():
            head = group.head() if group.own.waiting and group.bit & reachable else None
            if head is not None:
                class_rank = self._strategy.class_rank(group.least_seconds(head[3]), group.room, remaining)
                rank = (head[0], class_rank, head[1], group.bit)
                if best is None or rank < best:
                    best, chosen = rank, group
        return chosen

    def _remaining_seconds(self) -> float:
        """No way to run what waits takes less than this: all of it on all slots, a class on those that fit."""
        # Reckoned at each pick, over all classes: so without a call each.
        unknown = self._pace.typical_seconds * NANOSECONDS if self._total.unknown else 0.0
        by_class = [
            (one.own.known_ns + one.own.unknown * unknown) / one.room for one in self._classes.values() if one.room
        ]
        return max([self.waiting_seconds / self.slots, max(by_class, default=0.0) / NANOSECONDS])

    def _pick(self, group: RequirementClass, free: Set[PooledNode]) -> Pick:
        head = group.head()
        assert head is not None
        node = self._choose_node(group, head[3].head, free)
        idle = sum([max(one.offer.slots - one.used, 0) for one in free if one.fits & group.bit])
        tests = self._take(group, node, idle=idle)
        self._nodes.take_slot(node, len(tests))
        return Pick(node.offer.id, tests)

    def _take(self, group: RequirementClass, node: PooledNode, *, idle: int) -> tuple[QueuedTest, ...]:
        share = self.waiting_seconds / max(self.slots, 1)
        idle_share = self.waiting_seconds / max(idle, 1)
        fill = DispatchFill(self._limits, share, node.offer.id, node.offer.slowness, idle_share, self._pace)
        return tuple(group.take(fill, slots=node.offer.slots))

    def _choose_node(self, group: RequirementClass, test: QueuedTest, free: Set[PooledNode]) -> PooledNode:
        candidates = [node for node in free if node.fits & group.bit]
        if test.avoid:
            candidates = [node for node in candidates if node.offer.id not in test.avoid] or candidates
        wanted = self._wanted_by_scarcer(group, {node.fits for node in candidates})
        least = min(wanted.values())
        return min([node for node in candidates if wanted[node.fits] == least], key=attrgetter("rank"))

    def _wanted_by_scarcer(self, group: RequirementClass, kinds: Set[int]) -> dict[int, int]:
        """For nodes that fit the same classes: how many tests wait for them that have fewer slots to go to."""
        scarcer: list[RequirementClass] = []
        if self._strategy.spares_scarce_nodes:
            scarcer = [other for other in self._classes.values() if other.own.waiting and other.room < group.room]
        return {kind: sum(other.own.waiting for other in scarcer if kind & other.bit) for kind in kinds}
