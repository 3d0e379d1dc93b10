"""How long the rest of a run takes at least."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.reports.estimate import WorkLeft, deal_longest_first


def _make_left() -> WorkLeft:
    left = WorkLeft()
    left.add_node("gpu", {"gpu": True})
    left.add_node("plain", {})
    return left


def test_a_class_ends_no_sooner_than_the_slots_that_fit_can_do_it() -> None:
    left = _make_left()
    for number in range(10):
        left.add(number, {"gpu": True}, 3.0 if number else None)
    left.note("other", 2.0)

    assert 29.0 / 2 == left.least_seconds({"gpu": 2, "plain": 8}, [])
    assert 25.0 / 2 == left.least_seconds({"gpu": 2, "plain": 8}, [(1, 1.0), (2, 3.0), ("other", 9.0)])


def test_of_unknown_length_is_what_its_own_class_has_shown_to_take() -> None:
    left = _make_left()
    for number in range(3):
        left.add(number, {"gpu": True}, None)
    assert 0.0 == left.least_seconds({"gpu": 1}, [])
    left.note("any", 9.0)
    assert 27.0 == left.least_seconds({"gpu": 1}, [])
    left.note(0, 4.0)
    left.remove(0, None)

    assert 8.0 == left.least_seconds({"gpu": 1}, [])
    assert (4.0, 6.5) == (left.mean(1), left.mean("any"))


def test_what_is_done_or_fits_anywhere_binds_no_class() -> None:
    left = _make_left()
    left.add("any", {}, 100.0)
    left.add("gpu", {"gpu": True}, 3.0)
    left.remove("gpu", 3.0)

    assert 0.0 == left.least_seconds({"gpu": 1}, [])
    assert (None, None) == (left.fits("any"), left.fits("gpu"))


def test_a_node_counts_for_a_class_as_soon_as_it_is_there_and_only_while_it_is() -> None:
    left = WorkLeft()
    left.add("gpu", {"gpu": True}, 6.0)
    assert 0.0 == left.least_seconds({}, [])
    left.add_node("one", {"gpu": True})
    left.add_node("two", {"gpu": True})

    assert 3.0 == left.least_seconds({"one": 1, "two": 1}, [])
    assert 6.0 == left.least_seconds({"two": 1}, [])
    left.add_node("two", {})
    assert {"one"} == left.fits("gpu")


def test_three_equal_tests_on_two_slots_take_two_turns() -> None:
    assert 120.0 == deal_longest_first({"n": [0.0, 0.0]}, [(60.0, None)] * 3)


def test_a_test_waits_for_the_slot_that_fits() -> None:
    assert 50.0 == deal_longest_first({"gpu": [40.0], "plain": [0.0]}, [(10.0, {"gpu"})])
    assert 40.0 == deal_longest_first({"gpu": [40.0]}, [(10.0, set())])


@given(
    free=st.dictionaries(st.sampled_from("abc"), st.lists(st.floats(0, 100), min_size=1, max_size=4), min_size=1),
    seconds=st.lists(st.floats(0, 100), max_size=20),
)
def test_no_more_is_dealt_than_graham_allows_and_no_less_than_there_is(
    free: dict[str, list[float]], seconds: list[float]
) -> None:
    end = deal_longest_first(free, [(one, None) for one in seconds])

    slots = [at for ends in free.values() for at in ends]
    work, longest = sum(seconds) + sum(slots), max([*seconds, 0.0])
    assert end >= max([work / len(slots), *slots]) - 1e-6 or not seconds
    assert end <= max(work / len(slots) + longest, *slots, 0.0) + 1e-6


@pytest.mark.parametrize("count", [0, 3])
def test_dealing_changes_nothing_of_what_it_was_given(count: int) -> None:
    free = {"n": [5.0, 1.0]}
    deal_longest_first(free, [(1.0, None)] * count)
    assert {"n": [5.0, 1.0]} == free
