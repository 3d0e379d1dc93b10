"""The longest test first, to the least loaded node.

Graham's LPT rule: list scheduling in order of decreasing length ends within 4/3 of the optimum on
equal machines (R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969).
"""

from __future__ import annotations

from collections.abc import Sequence

from pulseq.planning.queued import NodeLoad, QueuedTest
from pulseq.planning.strategies import least_loaded


def order_key(test: QueuedTest) -> tuple[float, int]:
    """By expected seconds, longest first; tests of unknown length go before all, since they may be long."""
    if test.expected_seconds is None:
        return (float("-inf"), test.sequence)
    return (-test.expected_seconds, test.sequence)


def choose(free: Sequence[NodeLoad]) -> NodeLoad:
    """The least loaded node."""
    return least_loaded.choose(free)
