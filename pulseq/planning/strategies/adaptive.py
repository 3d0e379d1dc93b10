"""The default: longest first, and scarce nodes are kept for the tests that need them."""

from __future__ import annotations

from collections.abc import Sequence

from pulseq.planning.queued import NodeLoad, QueuedTest
from pulseq.planning.strategies import longest_first


def order_key(test: QueuedTest) -> tuple[float, int]:
    """Longest first."""
    return longest_first.order_key(test)


def choose(free: Sequence[NodeLoad]) -> NodeLoad:
    """The node that the fewest tests with less choice wait for, then the least loaded."""
    return min(free, key=lambda node: (node.wanted_by_scarce, node.load, node.given / node.slots, node.order))
