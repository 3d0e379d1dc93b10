"""Nodes in turn."""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import round_robin


def test_tests_keep_the_order_of_the_suite() -> None:
    assert round_robin.order_key(60.0, 1) < round_robin.order_key(None, 2) < round_robin.order_key(0.1, 3)


def test_the_class_with_the_fewest_slots_is_first() -> None:
    assert round_robin.class_rank(1.0, 2, 9.0) < round_robin.class_rank(60.0, 3, 9.0)


def test_the_node_that_had_the_fewest_tests_is_next() -> None:
    busy_but_new = NodeLoad(slots=4, used=3, given=3, order=2)
    idle_but_fed = NodeLoad(slots=4, used=0, given=4, order=1)
    assert round_robin.rank(busy_but_new) < round_robin.rank(idle_but_fed)


def test_nodes_that_had_as_many_take_turns_as_they_joined() -> None:
    first = NodeLoad(slots=1, used=0, given=4, order=1)
    second = NodeLoad(slots=8, used=0, given=4, order=2)
    assert round_robin.rank(first) < round_robin.rank(second)
