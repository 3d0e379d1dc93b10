"""The strategies by the names that a nodes file gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pulseq.fleet import Strategy
from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import adaptive, least_loaded, longest_first, round_robin

OrderKey = tuple[float, int]
Rank = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StrategyFunctions:
    """The decisions of a strategy; see `pulseq.planning.strategies`."""

    order_key: Callable[[float | None, int], OrderKey]
    class_rank: Callable[[float | None, int, float], Rank]
    rank: Callable[[NodeLoad], Rank]
    spares_scarce_nodes: bool


STRATEGIES: Mapping[Strategy, StrategyFunctions] = MappingProxyType(
    {
        strategy: StrategyFunctions(module.order_key, module.class_rank, module.rank, module.SPARES_SCARCE_NODES)
        for strategy, module in {
            Strategy.ROUND_ROBIN: round_robin,
            Strategy.LEAST_LOADED: least_loaded,
            Strategy.LONGEST_FIRST: longest_first,
            Strategy.ADAPTIVE: adaptive,
        }.items()
    }
)
