"""The strategies: what each goes by, in one table (`STRATEGIES`). Pure functions; what they sort comes smallest first.

Priorities are strict and above all strategies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pulseq.fleet import Strategy

OrderKey = tuple[float, int]
Rank = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """How busy a node is, as a strategy ranks it.

    Attributes:
        used: slots taken.
        given: tests it was given so far in this run.
        order: its place among the nodes, for ties.
        slowness: what tests take there, as a multiple of what they take in the median.
    """

    slots: int
    used: int
    given: int
    order: int
    slowness: float = 1.0

    @property
    def load(self) -> float:
        """Share of its slots that is taken; above 1 where dispatches wait there already."""
        return self.used / self.slots


@dataclass(frozen=True, slots=True)
class StrategyFunctions:
    """The decisions of a strategy.

    Attributes:
        order_key: (seconds, sequence): sorts tests of one priority and equal requirements.
        class_rank: (seconds of its first test, room, remaining seconds): sorts classes of requirements, of the
            priority whose turn it is, by the slots that fit and the least time that all waiting work takes.
        rank: sorts the nodes that fit and have a free slot.
        spares_scarce_nodes: whether a node comes after all others while tests with less choice wait for it.
    """

    order_key: Callable[[float | None, int], OrderKey]
    class_rank: Callable[[float | None, int, float], Rank]
    rank: Callable[[NodeLoad], Rank]
    spares_scarce_nodes: bool = False


def in_suite_order(seconds: float | None, sequence: int) -> OrderKey:
    """Tests in the order of the suite."""
    return (0.0, sequence)


def longest_test(seconds: float | None, sequence: int) -> OrderKey:
    """Tests by expected seconds, longest first; those of unknown length go before all, since they may be long.

    Graham's LPT rule: list scheduling in order of decreasing length ends within 4/3 of the optimum on
    equal machines (R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969).
    """
    return (float("-inf") if seconds is None else -seconds, sequence)


def fewest_slots(head_seconds: float | None, room: int, remaining_seconds: float) -> Rank:
    """The class with the fewest slots to go to first: its tests have no other place."""
    return (room,)


def outlasting_rest(head_seconds: float | None, room: int, remaining_seconds: float) -> Rank:
    """What would outlast all else if it waited, the longest first; then the class with the fewest slots."""
    if head_seconds is not None and head_seconds > remaining_seconds:
        return (0, -head_seconds)
    return (1, room)


def in_turn(node: NodeLoad) -> Rank:
    """The node that had the fewest tests so far first, so that equal nodes never differ by more than one."""
    return (node.given, node.order)


def least_loaded(node: NodeLoad) -> Rank:
    """The node whose slots are taken to the smallest share first; among equals the one that had fewer tests."""
    return (node.load, node.given / node.slots, node.order)


def fastest_free(node: NodeLoad) -> Rank:
    """A node with a free slot before one where dispatches wait; the fastest, then the least loaded first.

    With the longest test first this is the list scheduling of machines of different speed (T. Gonzalez, O. H. Ibarra
    and S. Sahni, "Bounds for LPT schedules on uniform processors", SIAM J. Comput. 6, 1977).
    """
    load = node.load
    return (load >= 1.0, node.slowness, load, node.given / node.slots, node.order)


STRATEGIES: Mapping[Strategy, StrategyFunctions] = MappingProxyType(
    {
        Strategy.ROUND_ROBIN: StrategyFunctions(in_suite_order, fewest_slots, in_turn),
        Strategy.LEAST_LOADED: StrategyFunctions(in_suite_order, fewest_slots, least_loaded),
        Strategy.LONGEST_FIRST: StrategyFunctions(longest_test, outlasting_rest, least_loaded),
        Strategy.ADAPTIVE: StrategyFunctions(longest_test, outlasting_rest, fastest_free, spares_scarce_nodes=True),
    }
)
