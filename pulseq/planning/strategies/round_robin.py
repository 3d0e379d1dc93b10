"""Tests in the order of the suite, nodes in turn."""

from __future__ import annotations

from collections.abc import Sequence

from pulseq.planning.queued import NodeLoad, QueuedTest


def order_key(test: QueuedTest) -> tuple[float, int]:
    """The order of the suite."""
    return (0.0, test.sequence)


def choose(free: Sequence[NodeLoad]) -> NodeLoad:
    """The node that had the fewest tests so far, so that equal nodes never differ by more than one."""
    return min(free, key=lambda node: (node.given, node.order))
