"""The default: longest first, to the fastest free node; scarce ones are kept for the tests that need them.

Longest first to the fastest is the list scheduling of machines of different speed (T. Gonzalez, O. H. Ibarra
and S. Sahni, "Bounds for LPT schedules on uniform processors", SIAM J. Comput. 6, 1977).
"""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import longest_first

#: The node that the fewest tests with less choice wait for comes first.
SPARES_SCARCE_NODES = True


def order_key(seconds: float | None, sequence: int) -> tuple[float, int]:
    """Longest first."""
    return longest_first.order_key(seconds, sequence)


def class_rank(head_seconds: float | None, room: int, remaining_seconds: float) -> tuple[float, ...]:
    """What would outlast all else if it waited, then the class with the fewest slots."""
    return longest_first.class_rank(head_seconds, room, remaining_seconds)


def rank(node: NodeLoad) -> tuple[float, ...]:
    """A node with a free slot before one where dispatches wait; the fastest, then the least loaded first."""
    return (node.load >= 1.0, node.slowness, *longest_first.rank(node))
