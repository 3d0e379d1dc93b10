"""What idle slots get of what busy ones have not begun."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.planning.sharing import SWITCH_SECONDS, Lane, Left, is_border, nearest_border, share_out


def lane(*seconds: float, running: float = 0.0, groups: str = "") -> Lane:
    names: Sequence[str | None] = groups or [None] * len(seconds)
    return Lane(running, tuple(Left(length, group) for length, group in zip(seconds, names, strict=True)))


LANES = st.builds(
    lambda running, waiting: Lane(running, tuple(Left(*one) for one in waiting)),
    st.floats(0, 10),
    st.lists(st.tuples(st.floats(0.001, 5), st.sampled_from([None, "a", "b"])), max_size=30),
)


@pytest.mark.parametrize(
    ("busy", "idle", "given_back"),
    [
        ([lane(1, 1, 1, 1)], 1, [2]),
        ([lane(1, 1, 1, 1, 1, 1)], 2, [4]),
        ([lane(1, 1, running=4)], 1, [2]),
        ([lane(3, running=2)], 1, [1]),
        ([lane(*[0.01] * 10)], 1, [0]),
        ([lane(*[0.02] * 10, running=60)], 1, [10]),
        ([lane(*[0.01] * 9, running=60)], 1, [0]),
        ([lane(running=60)], 1, [0]),
        ([lane(1, 1), lane(2, 2, 2, 2)], 1, [0, 2]),
        ([lane(4, 4), lane(4, 4)], 2, [1, 1]),
        ([lane(1, 1)], 0, [0]),
        ([], 3, []),
    ],
)
def test_idle_slots_get_their_share(busy: list[Lane], idle: int, given_back: list[int]) -> None:
    assert share_out(busy, idle) == given_back


def test_what_shares_fixtures_stays_together_where_a_border_is_near() -> None:
    assert share_out([lane(*[1] * 8, groups="aaaaabbb")], 1) == [3]
    assert share_out([lane(*[1] * 8, groups="aaabbbbb")], 1) == [5]
    assert share_out([lane(*[1] * 8, groups="abbbbbbb")], 1) == [4]


@given(st.lists(LANES, max_size=5), st.integers(0, 6))
def test_no_more_is_given_back_than_is_there_nor_for_less_than_a_switch(lanes: list[Lane], idle: int) -> None:
    counts = share_out(lanes, idle)
    assert len(counts) == len(lanes)
    for one, count in zip(lanes, counts, strict=True):
        assert 0 <= count <= len(one.waiting)
        if count:
            assert sum(test.seconds for test in one.waiting) >= SWITCH_SECONDS
    assert sum(count > 0 for count in counts) <= idle


@given(LANES)
def test_an_idle_slot_never_makes_it_longer(busy: Lane) -> None:
    (count,) = share_out([busy], 1)
    seconds = [test.seconds for test in busy.waiting]
    whole = busy.running_seconds + sum(seconds)
    given_back = sum(seconds[len(seconds) - count :])
    assert max(whole - given_back, given_back) <= whole


@given(st.lists(st.sampled_from([None, "a", "b"]), max_size=20), st.data())
def test_a_cut_is_at_a_border_within_the_bounds_or_as_wanted(groups: list[str | None], data: st.DataObject) -> None:
    lowest, wanted, highest = sorted(data.draw(st.tuples(*[st.integers(0, len(groups))] * 3)))
    cut = nearest_border(groups, wanted, lowest, highest)
    assert lowest <= cut <= highest
    borders = [place for place in range(lowest, highest + 1) if is_border(groups, place)]
    assert cut == wanted if not borders else abs(cut - wanted) == min(abs(place - wanted) for place in borders)
