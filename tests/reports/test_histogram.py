"""Durations counted on a 1-2-5 scale, and their percentiles."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.reports.histogram import count_durations, percentile

DURATIONS = st.lists(st.tuples(st.floats(0, 1e7), st.booleans()), min_size=1)


def test_no_durations_have_no_histogram() -> None:
    assert count_durations([]) is None


def test_durations_are_counted_between_marks_without_a_gap() -> None:
    told = count_durations([(0.0004, False), (0.003, True), (0.0039, False)])
    assert told is not None
    assert [("under 1 ms", 1, 0), ("1 ms to 2 ms", 0, 0), ("2 ms to 5 ms", 2, 1)] == [
        (one.words, one.count, one.bad) for one in told.bins
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.5, "500 ms to 1 s"), (45.0, "30 s to 1 min"), (3600.0, "1 h to 2 h"), (1e6, "24 h or more")],
)
def test_a_bin_is_named_by_its_marks(seconds: float, words: str) -> None:
    told = count_durations([(seconds, False)])
    assert told is not None
    assert [words] == [one.words for one in told.bins]


@given(DURATIONS)
def test_every_test_is_in_one_bin(durations: list[tuple[float, bool]]) -> None:
    told = count_durations(durations)
    assert told is not None
    assert (len(durations), sum(bad for _, bad in durations)) == (
        sum(one.count for one in told.bins),
        sum(one.bad for one in told.bins),
    )


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_the_middle_percentile_is_the_median(values: list[float]) -> None:
    assert percentile(sorted(values), 0.5) == pytest.approx(statistics.median(values))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_lies_between_the_shortest_and_the_longest(values: list[float], fraction: float) -> None:
    assert min(values) <= percentile(sorted(values), fraction) * (1 + 1e-12)
    assert percentile(sorted(values), fraction) <= max(values) * (1 + 1e-12)
