"""The default: longest first, and scarce nodes are kept for the tests that need them."""

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
    """The least loaded node first."""
    return longest_first.rank(node)
