"""Tests in the order of the suite, each to the node with the largest free share of its slots."""

from __future__ import annotations

from collections.abc import Sequence

from pulseq.planning.queued import NodeLoad, QueuedTest


def order_key(test: QueuedTest) -> tuple[float, int]:
    """The order of the suite."""
    return (0.0, test.sequence)


def choose(free: Sequence[NodeLoad]) -> NodeLoad:
    """The node whose slots are taken to the smallest share; among equals the one that had fewer tests."""
    return min(free, key=lambda node: (node.load, node.given / node.slots, node.order))
