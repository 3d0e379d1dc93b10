"""What each strategy goes by: tests of one class, classes, nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.fleet import Strategy
from pulseq.planning.strategies import (
    STRATEGIES,
    NodeLoad,
    fastest_free,
    fewest_slots,
    in_suite_order,
    in_turn,
    least_loaded,
    longest_test,
    outlasting_rest,
)

SECONDS = st.floats(0, 1e6)


def test_every_strategy_of_a_nodes_file_is_there() -> None:
    assert set(STRATEGIES) == set(Strategy)


@pytest.mark.parametrize(
    ("strategy", "functions"),
    [
        ("round_robin", (in_suite_order, fewest_slots, in_turn)),
        ("least_loaded", (in_suite_order, fewest_slots, least_loaded)),
        ("longest_first", (longest_test, outlasting_rest, least_loaded)),
        ("adaptive", (longest_test, outlasting_rest, fastest_free)),
    ],
)
def test_a_name_stands_for_what_it_says(strategy: str, functions: tuple[object, ...]) -> None:
    chosen = STRATEGIES[Strategy(strategy)]
    assert functions == (chosen.order_key, chosen.class_rank, chosen.rank)


def test_adaptive_alone_spares_scarce_nodes() -> None:
    assert [strategy for strategy, chosen in STRATEGIES.items() if chosen.spares_scarce_nodes] == [Strategy.ADAPTIVE]


def test_in_the_order_of_the_suite_no_length_counts() -> None:
    assert in_suite_order(60.0, 1) < in_suite_order(None, 2) < in_suite_order(0.1, 3)


@given(SECONDS, SECONDS, st.integers(), st.integers())
def test_a_longer_test_goes_before_a_shorter_one(one: float, other: float, first: int, second: int) -> None:
    if one > other:
        assert longest_test(one, first) < longest_test(other, second)


@given(SECONDS)
def test_a_test_of_unknown_length_goes_before_all_others(known: float) -> None:
    assert longest_test(None, 2) < longest_test(known, 1)


def test_tests_of_one_length_keep_the_order_of_the_suite() -> None:
    assert longest_test(3.0, 1) < longest_test(3.0, 2)


def test_the_class_with_the_fewest_slots_is_first_whatever_its_length() -> None:
    assert fewest_slots(1.0, 2, 9.0) < fewest_slots(60.0, 3, 9.0)


def test_the_class_with_the_fewest_slots_is_first_where_nothing_outlasts_the_rest() -> None:
    assert outlasting_rest(None, 2, 9.0) < outlasting_rest(8.0, 3, 9.0)


def test_a_test_that_would_outlast_all_else_cannot_wait_for_a_class_with_fewer_slots() -> None:
    assert outlasting_rest(9.5, 100, 9.0) < outlasting_rest(1.0, 2, 9.0)


def test_of_two_such_tests_the_longer_is_first() -> None:
    assert outlasting_rest(12.0, 100, 9.0) < outlasting_rest(11.0, 2, 9.0)


def test_load_is_the_share_of_slots_taken() -> None:
    assert NodeLoad(slots=4, used=1, given=9, order=1).load == 0.25


def test_dispatches_that_wait_on_a_node_count_as_load() -> None:
    assert NodeLoad(slots=2, used=3, given=3, order=1).load == 1.5


def test_in_turns_the_node_that_had_the_fewest_tests_is_next() -> None:
    busy_but_new = NodeLoad(slots=4, used=3, given=3, order=2)
    idle_but_fed = NodeLoad(slots=4, used=0, given=4, order=1)
    assert in_turn(busy_but_new) < in_turn(idle_but_fed)


def test_nodes_that_had_as_many_take_turns_as_they_joined() -> None:
    first = NodeLoad(slots=1, used=0, given=4, order=1)
    second = NodeLoad(slots=8, used=0, given=4, order=2)
    assert in_turn(first) < in_turn(second)


def test_the_smallest_share_of_slots_taken_is_first_and_not_the_smallest_number() -> None:
    large = NodeLoad(slots=8, used=3, given=3, order=2)
    small = NodeLoad(slots=2, used=1, given=1, order=1)
    assert least_loaded(large) < least_loaded(small)


def test_equally_loaded_nodes_are_told_apart_by_tests_for_each_slot() -> None:
    large = NodeLoad(slots=4, used=0, given=4, order=2)
    small = NodeLoad(slots=1, used=0, given=2, order=1)
    assert least_loaded(large) < least_loaded(small)


def test_equally_fast_nodes_are_ranked_by_their_load() -> None:
    nodes = [NodeLoad(slots=4, used=used, given=7, order=3) for used in (3, 0, 5, 1)]
    assert sorted(nodes, key=fastest_free) == sorted(nodes, key=least_loaded)


def test_among_free_nodes_the_fastest_is_first_however_loaded() -> None:
    slow = NodeLoad(slots=2, used=0, given=0, order=1, slowness=2.0)
    fast = NodeLoad(slots=2, used=1, given=5, order=2)
    assert fastest_free(fast) < fastest_free(slow)


def test_a_free_slot_on_a_slow_node_is_better_than_waiting_on_a_fast_one() -> None:
    slow = NodeLoad(slots=2, used=1, given=0, order=1, slowness=2.0)
    full = NodeLoad(slots=2, used=2, given=5, order=2)
    assert fastest_free(slow) < fastest_free(full)
