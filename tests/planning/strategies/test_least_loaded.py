"""The largest free share first."""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import least_loaded


def test_tests_keep_the_order_of_the_suite() -> None:
    assert least_loaded.order_key(0.1, 1) < least_loaded.order_key(60.0, 2)


def test_the_class_with_the_fewest_slots_is_first() -> None:
    assert least_loaded.class_rank(1.0, 2, 9.0) < least_loaded.class_rank(60.0, 3, 9.0)


def test_the_smallest_share_of_slots_taken_is_first_and_not_the_smallest_number() -> None:
    large = NodeLoad(slots=8, used=3, given=3, order=2)
    small = NodeLoad(slots=2, used=1, given=1, order=1)
    assert least_loaded.rank(large) < least_loaded.rank(small)


def test_equally_loaded_nodes_are_told_apart_by_tests_for_each_slot() -> None:
    large = NodeLoad(slots=4, used=0, given=4, order=2)
    small = NodeLoad(slots=1, used=0, given=2, order=1)
    assert least_loaded.rank(large) < least_loaded.rank(small)
