"""Which node each test would go to if all nodes were always free: the strategy's own choice, before a run.

A run starts from the same rules but never lets a free slot wait, so a test may then go elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pulseq.fleet import Strategy
from pulseq.planning.packing import PackLimits
from pulseq.planning.queued import NodeOffer, QueuedTest
from pulseq.planning.ready_queue import Fits, ReadyQueue

#: Each slot stands for so many, so that none is ever taken by what was assigned before.
_ROUNDS = 1_000_000
_ONE_BY_ONE = PackLimits(most_tests=1)


class Assignment:
    """Tests assigned to nodes as they come; nodes that are equal never differ by more than one.

    Args:
        fits: whether a node's capabilities satisfy a class of requirements.
        nodes: those that there are.
    """

    def __init__(self, fits: Fits, strategy: Strategy, nodes: Iterable[NodeOffer]) -> None:
        self._queue = ReadyQueue(fits, strategy=strategy, limits=_ONE_BY_ONE)
        for node in nodes:
            self._queue.node_joined(replace(node, slots=node.slots * _ROUNDS))

    def add(self, tests: Iterable[QueuedTest]) -> Iterator[tuple[tuple[str, str], str]]:
        """Assign tests; yields each one's key with its node, and leaves out those that no node fits."""
        for test in tests:
            self._queue.add(test)
        for pick in self._queue.picks():
            for test in pick.tests:
                yield test.key, pick.node_id
