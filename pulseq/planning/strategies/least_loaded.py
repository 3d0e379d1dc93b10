"""Tests in the order of the suite, each to the node with the largest free share of its slots."""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad

SPARES_SCARCE_NODES = False


def order_key(seconds: float | None, sequence: int) -> tuple[float, int]:
    """The order of the suite."""
    return (0.0, sequence)


def rank(node: NodeLoad) -> tuple[float, ...]:
    """The node whose slots are taken to the smallest share first; among equals the one that had fewer tests."""
    return (node.load, node.given / node.slots, node.order)
