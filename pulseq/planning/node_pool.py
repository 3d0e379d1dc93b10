"""The nodes of a run as the queue sees them: which classes they fit, and how many slots are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pulseq.planning.queued import NodeOffer
from pulseq.planning.strategies import NodeLoad, Rank


@dataclass(slots=True, eq=False)
class PooledNode:
    """A node and what it holds; `fits` has the bit of each class of requirements that it fits.

    One that is `marked` has slots that nobody is to wait for.
    """

    offer: NodeOffer
    order: int
    fits: int
    used: int = 0
    given: int = 0
    open: bool = True
    marked: bool = False
    rank: Rank = ()


@dataclass(slots=True)
class NodePool:
    """All nodes; those that can take a dispatch are at hand without looking at the others.

    Attributes:
        rank: a strategy's order of nodes, smallest first.
        slots: of all nodes that are not marked.
    """

    rank: Callable[[NodeLoad], Rank]
    slots: int = 0
    _nodes: dict[str, PooledNode] = field(default_factory=dict)
    _joined: int = 0
    #: With a free slot; and without, but with room for a second round of dispatches.
    _free: set[PooledNode] = field(default_factory=set)
    _second: set[PooledNode] = field(default_factory=set)

    def __iter__(self) -> Iterator[PooledNode]:
        return iter(self._nodes.values())

    def join(self, offer: NodeOffer, fits: int) -> PooledNode:
        """A node is there, all of its slots free."""
        self._joined += 1
        node = self._nodes[offer.id] = PooledNode(offer, self._joined, fits)
        self.slots += offer.slots
        self._sort_in(node)
        return node

    def leave(self, node_id: str) -> PooledNode | None:
        """A node is gone; it is returned where it was known."""
        node = self._nodes.pop(node_id, None)
        if node is not None:
            self.set_marked(node, False)
            self.slots -= node.offer.slots
            self._free.discard(node)
            self._second.discard(node)
        return node

    def set_open(self, node_id: str, is_open: bool) -> None:
        """Whether a node takes more."""
        self._nodes[node_id].open = is_open
        self._sort_in(self._nodes[node_id])

    def set_marked(self, node: PooledNode, is_marked: bool) -> None:
        """Whether nobody is to wait for a node."""
        if is_marked != node.marked:
            node.marked = is_marked
            self.slots += -node.offer.slots if is_marked else node.offer.slots
            self._sort_in(node)

    def take_slot(self, node: PooledNode, tests: int) -> None:
        """A node gets a dispatch."""
        node.used += 1
        node.given += tests
        self._sort_in(node)

    def free_slot(self, node_id: str) -> None:
        """A dispatch is done; that of a node which has left in between is nobody's any more."""
        node = self._nodes.get(node_id)
        if node is not None and node.used:
            node.used -= 1
            self._sort_in(node)

    def find_open(self, node_id: str) -> PooledNode | None:
        """A node that is there and takes more."""
        node = self._nodes.get(node_id)
        return node if node is not None and node.open and not node.marked else None

    def find(self, node_id: str) -> PooledNode | None:
        """A node that is there."""
        return self._nodes.get(node_id)

    def give_ahead(self, node: PooledNode, tests: int) -> None:
        """A node gets a dispatch that will have the slot of another one there."""
        node.given += tests
        self._sort_in(node)

    def slots_of(self, node_id: str) -> int:
        """The slots of a node; none of one that has left."""
        node = self._nodes.get(node_id)
        return 0 if node is None else node.offer.slots

    def free(self, *, doubled: bool) -> set[PooledNode]:
        """The open nodes with a free slot; `doubled` counts each slot twice."""
        return self._free | self._second if doubled else self._free

    def _sort_in(self, node: PooledNode) -> None:
        slots = node.offer.slots
        node.rank = self.rank(NodeLoad(slots, node.used, node.given, node.order, node.offer.slowness))
        for members, belongs in ((self._free, node.used < slots), (self._second, slots <= node.used < 2 * slots)):
            if belongs and node.open and not node.marked:
                members.add(node)
            else:
                members.discard(node)
