"""The longest test first, to the least loaded node."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import least_loaded, longest_first

SECONDS = st.floats(0, 1e6)


@given(SECONDS, SECONDS, st.integers(), st.integers())
def test_a_longer_test_goes_before_a_shorter_one(one: float, other: float, first: int, second: int) -> None:
    if one > other:
        assert longest_first.order_key(one, first) < longest_first.order_key(other, second)


@given(SECONDS)
def test_a_test_of_unknown_length_goes_before_all_others(known: float) -> None:
    assert longest_first.order_key(None, 2) < longest_first.order_key(known, 1)


def test_tests_of_one_length_keep_the_order_of_the_suite() -> None:
    assert longest_first.order_key(3.0, 1) < longest_first.order_key(3.0, 2)


def test_the_class_with_the_fewest_slots_is_first() -> None:
    assert longest_first.class_rank(None, 2, 9.0) < longest_first.class_rank(8.0, 3, 9.0)


def test_a_test_that_would_outlast_all_else_cannot_wait_for_a_class_with_fewer_slots() -> None:
    assert longest_first.class_rank(9.5, 100, 9.0) < longest_first.class_rank(1.0, 2, 9.0)


def test_of_two_such_tests_the_longer_is_first() -> None:
    assert longest_first.class_rank(12.0, 100, 9.0) < longest_first.class_rank(11.0, 2, 9.0)


def test_nodes_are_ranked_by_their_load() -> None:
    node = NodeLoad(slots=4, used=1, given=7, order=3)
    assert longest_first.rank(node) == least_loaded.rank(node)
