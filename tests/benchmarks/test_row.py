"""What is made of samples: medians, the best way of a side, ratios, goals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.row import Compare, Outcome, Row, Samples, at_least, at_most

_SECONDS = st.floats(min_value=0.001, max_value=1e6)


def _row(**more: object) -> Row:
    return Row("name", "work", "against", "s", **{"goal": None, **more})  # type: ignore[arg-type]


def test_a_side_is_its_best_way_by_the_median() -> None:
    ways = {"steady": [2.0, 2.0, 2.0], "lucky": [1.0, 3.0, 9.0]}

    outcome = Outcome(_row(), Samples(ways, {"theirs": [4.0]}))

    assert ("steady", 2.0) == outcome.ours


def test_where_more_is_better_the_best_way_is_the_largest() -> None:
    outcome = Outcome(_row(more_is_better=True), Samples({"low": [1.0], "high": [5.0]}, {"all": [10.0]}))

    assert ("high", 5.0) == outcome.ours


def test_a_share_is_ours_by_theirs() -> None:
    assert 0.5 == Outcome(_row(), Samples({"run": [2.0]}, {"run": [4.0]})).ratio


def test_faster_is_theirs_by_ours() -> None:
    assert 2.0 == Outcome(_row(compare=Compare.FASTER), Samples({"run": [2.0]}, {"run": [4.0]})).ratio


@pytest.mark.parametrize(("goal", "reached"), [(at_least(0.5), True), (at_least(0.6), False), (at_most(0.4), False)])
def test_a_goal_is_reached_at_its_bound(goal: object, reached: bool) -> None:
    assert reached is Outcome(_row(goal=goal), Samples({"run": [2.0]}, {"run": [4.0]})).reached


def test_without_a_goal_nothing_is_reached_or_missed() -> None:
    assert Outcome(_row(), Samples({"run": [2.0]}, {"run": [4.0]})).reached is None


@given(st.lists(_SECONDS, min_size=1), st.lists(_SECONDS, min_size=1))
def test_a_second_way_that_is_worse_changes_nothing(ours: list[float], theirs: list[float]) -> None:
    alone = Outcome(_row(), Samples({"run": ours}, {"run": theirs}))
    beside = Outcome(_row(), Samples({"run": ours, "worse": [value * 2 for value in ours]}, {"run": theirs}))

    assert alone.ratio == beside.ratio
