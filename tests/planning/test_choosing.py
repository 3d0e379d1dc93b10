"""Each strategy of a nodes file has its functions."""

from __future__ import annotations

from pulseq.models import Strategy
from pulseq.planning.choosing import STRATEGIES
from pulseq.planning.strategies import round_robin


def test_every_strategy_is_there() -> None:
    assert set(STRATEGIES) == set(Strategy)


def test_a_name_stands_for_the_functions_of_its_file() -> None:
    chosen = STRATEGIES[Strategy("round_robin")]
    assert (chosen.order_key, chosen.rank) == (round_robin.order_key, round_robin.rank)
