"""Each strategy of a nodes file has its functions."""

from __future__ import annotations

from pulseq.fleet import Strategy
from pulseq.planning.choosing import STRATEGIES
from pulseq.planning.strategies import round_robin


def test_every_strategy_is_there() -> None:
    assert set(STRATEGIES) == set(Strategy)


def test_a_name_stands_for_the_functions_of_its_file() -> None:
    chosen = STRATEGIES[Strategy("round_robin")]
    functions = (round_robin.order_key, round_robin.class_rank, round_robin.rank)
    assert (chosen.order_key, chosen.class_rank, chosen.rank) == functions


def test_adaptive_alone_spares_scarce_nodes() -> None:
    assert [strategy for strategy, chosen in STRATEGIES.items() if chosen.spares_scarce_nodes] == [Strategy.ADAPTIVE]
