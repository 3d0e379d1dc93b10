"""Lists that are cut."""

from __future__ import annotations

from pulseq.reports.some import Some


def test_the_first_are_told_and_the_rest_counted() -> None:
    assert Some(["1", "2"], 3) == Some.of([1, 2, 3, 4, 5], 2, str)


def test_of_few_all_are_told() -> None:
    assert Some([1], 0) == Some.of([1], 2)
