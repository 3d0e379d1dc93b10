"""Tests in the order of the suite, nodes in turn."""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import least_loaded

SPARES_SCARCE_NODES = False


def order_key(seconds: float | None, sequence: int) -> tuple[float, int]:
    """The order of the suite."""
    return (0.0, sequence)


def class_rank(head_seconds: float | None, room: int, remaining_seconds: float) -> tuple[float, ...]:
    """The class with the fewest slots to go to first: its tests have no other place."""
    return least_loaded.class_rank(head_seconds, room, remaining_seconds)


def rank(node: NodeLoad) -> tuple[float, ...]:
    """The node that had the fewest tests so far first, so that equal nodes never differ by more than one."""
    return (node.given, node.order)
