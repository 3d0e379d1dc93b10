"""The longest test first, to the least loaded node.

Graham's LPT rule: list scheduling in order of decreasing length ends within 4/3 of the optimum on
equal machines (R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969).
"""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import least_loaded

SPARES_SCARCE_NODES = False


def order_key(seconds: float | None, sequence: int) -> tuple[float, int]:
    """By expected seconds, longest first; tests of unknown length go before all, since they may be long."""
    return (float("-inf") if seconds is None else -seconds, sequence)


def class_rank(head_seconds: float | None, room: int, remaining_seconds: float) -> tuple[float, ...]:
    """What would outlast all else if it waited, the longest first; then the class with the fewest slots."""
    if head_seconds is not None and head_seconds > remaining_seconds:
        return (0, -head_seconds)
    return (1, room)


def rank(node: NodeLoad) -> tuple[float, ...]:
    """The least loaded node first."""
    return least_loaded.rank(node)
