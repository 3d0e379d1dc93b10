"""Tests in the order of the suite, each to the node with the largest free share of its slots."""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad

SPARES_SCARCE_NODES = False


def order_key(seconds: float | None, sequence: int) -> tuple[float, int]:
    """The order of the suite."""
    return (0.0, sequence)


def class_rank(head_seconds: float | None, room: int, remaining_seconds: float) -> tuple[float, ...]:
    """The class with the fewest slots to go to first: its tests have no other place."""
    return (room,)


def rank(node: NodeLoad) -> tuple[float, ...]:
    """The node whose slots are taken to the smallest share first; among equals the one that had fewer tests."""
    return (node.load, node.given / node.slots, node.order)
