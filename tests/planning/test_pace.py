"""What a run itself has measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.planning.pace import Pace


def _pace(*seconds: float, file: str = "a.py") -> Pace:
    pace = Pace(0.05, 0.001)
    for value in seconds:
        pace.note(file, value)
    return pace


def test_before_anything_was_measured_a_guess_is_all_there_is() -> None:
    pace = _pace()
    assert (pace.known, pace.typical_seconds, pace.seconds_of("a.py")) == (False, 0.05, None)


def test_few_items_say_nothing_of_their_file() -> None:
    assert _pace(*[0.2] * 9).seconds_of("a.py") is None


def test_the_others_of_a_file_take_what_its_first_took() -> None:
    pace = _pace(*[0.2] * 5, *[0.4] * 5)
    assert pace.seconds_of("a.py") == pytest.approx(0.3)
    assert pace.seconds_of("b.py") is None


def test_the_more_is_measured_the_less_the_guess_counts() -> None:
    assert _pace(*[0.01] * 20).typical_seconds == pytest.approx(0.03)
    assert _pace(*[0.01] * 2000).typical_seconds == pytest.approx(0.0104, rel=0.01)


@given(st.lists(st.floats(0.0, 0.001), min_size=20, max_size=40))
def test_nothing_takes_no_time(seconds: list[float]) -> None:
    pace = _pace(*seconds)
    assert pace.known
    assert min(pace.typical_seconds, pace.seconds_of("a.py") or 0.0) >= 0.001
