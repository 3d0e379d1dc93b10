"""The strategies by the names that a nodes file gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pulseq.models import Strategy
from pulseq.planning.queued import NodeLoad, QueuedTest
from pulseq.planning.strategies import adaptive, least_loaded, longest_first, round_robin

OrderKey = tuple[float, int]


@dataclass(frozen=True, slots=True)
class StrategyFunctions:
    """The two decisions of a strategy."""

    order_key: Callable[[QueuedTest], OrderKey]
    choose: Callable[[Sequence[NodeLoad]], NodeLoad]


STRATEGIES: Mapping[Strategy, StrategyFunctions] = MappingProxyType(
    {
        Strategy.ROUND_ROBIN: StrategyFunctions(round_robin.order_key, round_robin.choose),
        Strategy.LEAST_LOADED: StrategyFunctions(least_loaded.order_key, least_loaded.choose),
        Strategy.LONGEST_FIRST: StrategyFunctions(longest_first.order_key, longest_first.choose),
        Strategy.ADAPTIVE: StrategyFunctions(adaptive.order_key, adaptive.choose),
    }
)
