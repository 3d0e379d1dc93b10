"""What a question and its answer tell of two clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.protocol.clock_offset import (
    FAR_SECONDS,
    LEAST_SECONDS,
    ClockOffset,
    measure_offset,
    read_clock_id,
    say_offset,
)

NOW = 1_800_000_000.0


def test_a_node_is_compared_with_the_middle_of_the_way() -> None:
    assert measure_offset(NOW, NOW + 0.5, 0.5, NOW + 60.25) == ClockOffset(60.0, 0.25)


@given(offset=st.floats(-1e6, 1e6), there=st.floats(0, 60), back=st.floats(0, 60), rounding=st.floats(-1e-3, 1e-3))
def test_the_true_offset_is_never_further_than_is_said(
    offset: float, there: float, back: float, rounding: float
) -> None:
    seconds = there + back
    found = measure_offset(NOW, NOW + seconds + rounding, seconds, NOW + there + offset)
    assert found is not None
    assert abs(found.offset - offset) <= found.uncertainty + 1e-6


@given(there=st.floats(0, 60), back=st.floats(0, 60))
def test_times_of_the_same_clock_are_never_shifted(there: float, back: float) -> None:
    found = measure_offset(NOW, NOW + there + back, there + back, NOW + there)
    assert found is not None
    assert (found.shift, found.is_far) == (0.0, False)


@pytest.mark.parametrize("step", [-3600.0, 3600.0, 1.0])
def test_nothing_is_told_where_our_own_clock_was_set_meanwhile(step: float) -> None:
    assert measure_offset(NOW, NOW + 0.1 + step, 0.1, NOW) is None


@pytest.mark.parametrize(
    ("offset", "uncertainty", "shift"),
    [
        (3600.0, 0.01, 3600.0),
        (-0.2, 0.1, -0.2),
        (0.2, 0.2, 0.0),
        (-0.1, 0.3, 0.0),
        (LEAST_SECONDS, 0.0, 0.0),
        (LEAST_SECONDS * 3, LEAST_SECONDS, LEAST_SECONDS * 3),
    ],
)
def test_what_may_be_none_shifts_nothing(offset: float, uncertainty: float, shift: float) -> None:
    assert ClockOffset(offset, uncertainty).shift == shift


@pytest.mark.parametrize(
    ("offset", "uncertainty", "far"),
    [(31.0, 0.5, True), (-31.0, 0.5, True), (31.0, 2.0, False), (FAR_SECONDS, 0, False)],
)
def test_a_clock_is_far_off_where_that_is_sure(offset: float, uncertainty: float, far: bool) -> None:
    assert ClockOffset(offset, uncertainty).is_far is far


def test_people_are_told_the_direction() -> None:
    assert ["41.2 s ahead", "3600.0 s behind"] == [say_offset(ClockOffset(offset, 0.1)) for offset in (41.23, -3600)]


def test_a_machine_has_one_clock() -> None:
    assert read_clock_id() == read_clock_id()
