"""How long the rest of a run takes at least."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.reports.estimate import ClassesLeft, deal_longest_first


def _classes() -> ClassesLeft:
    classes = ClassesLeft()
    classes.add_node("gpu", {"gpu": True})
    classes.add_node("plain", {})
    return classes


def test_a_class_ends_no_sooner_than_the_slots_that_fit_can_do_it() -> None:
    classes = _classes()
    for number in range(10):
        classes.add(number, {"gpu": True}, 3.0 if number else None)

    assert 29.0 / 2 == classes.least_seconds({"gpu": 2, "plain": 8}, 2.0, [])
    assert 25.0 / 2 == classes.least_seconds({"gpu": 2, "plain": 8}, 2.0, [(1, 1.0), (2, 3.0), ("other", 9.0)])


def test_of_unknown_length_is_what_its_own_class_has_shown_to_take() -> None:
    classes = _classes()
    for number in range(3):
        classes.add(number, {"gpu": True}, None)
    assert 3.0 == classes.least_seconds({"gpu": 1}, 1.0, [])
    classes.note(0, 4.0)
    classes.note("any", 9.0)
    classes.remove(0, None)

    assert 8.0 == classes.least_seconds({"gpu": 1}, 1.0, [])
    assert (4.0, 1.0) == (classes.mean(1, 1.0), classes.mean("any", 1.0))


def test_what_is_done_or_fits_anywhere_binds_no_class() -> None:
    classes = _classes()
    classes.add("any", {}, 100.0)
    classes.add("gpu", {"gpu": True}, 3.0)
    classes.remove("gpu", 3.0)
    classes.remove("gpu", 3.0)

    assert 0.0 == classes.least_seconds({"gpu": 1}, 1.0, [])
    assert (None, None) == (classes.fits("any"), classes.fits("gpu"))


def test_a_node_counts_for_a_class_as_soon_as_it_is_there_and_only_while_it_is() -> None:
    classes = ClassesLeft()
    classes.add("gpu", {"gpu": True}, 6.0)
    assert 0.0 == classes.least_seconds({}, 1.0, [])
    classes.add_node("one", {"gpu": True})
    classes.add_node("two", {"gpu": True})

    assert 3.0 == classes.least_seconds({"one": 1, "two": 1}, 1.0, [])
    assert 6.0 == classes.least_seconds({"two": 1}, 1.0, [])
    classes.add_node("two", {})
    assert {"one"} == classes.fits("gpu")


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
