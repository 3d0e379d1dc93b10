"""Seconds in the many ways in which tools write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.node.junit_time import read_seconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0.12", 0.12),
        ("0.", 0.0),
        (".5", 0.5),
        ("12", 12.0),
        ("6.2E-5", 6.2e-5),
        ("7E-06", 7e-6),
        (" 1.5 ", 1.5),
        ("1,234.5", 1234.5),
        ("1,234,567.5", 1234567.5),
        ("1.234,5", 1234.5),
        ("0,12", 0.12),
        ("0,017", 0.017),
        ("12,5", 12.5),
        ("12345,678", 12345.678),
        ("1'234.5", 1234.5),
        ("1 234,5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("1.5s", 1.5),
        ("1.5 sec", 1.5),
        ("12ms", 0.012),
        ("00:01:02.5000000", 62.5),
        ("1:02:03", 3723.0),
        ("1.00:00:01", 86401.0),
        ("", 0.0),
        ("soon", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("-1", 0.0),
        ("1e999", 0.0),
        ("1.2.3", 0.0),
        ("٣", 0.0),
        ("2026-05-28", 0.0),
    ],
)
def test_a_time_alone(written: str, seconds: float) -> None:
    assert [seconds] == pytest.approx(read_seconds([written]))


@pytest.mark.parametrize(
    ("others", "seconds"),
    [([], 1234.0), (["0.5", "12"], 1234.0), (["1,234.5"], 1234.0), (["0,5"], 1.234), (["0", "2,75"], 1.234)],
)
def test_the_others_of_a_file_tell_what_one_comma_is(others: list[str], seconds: float) -> None:
    assert seconds == read_seconds(["1,234", *others])[0]


def test_where_the_comma_is_the_decimal_point_the_point_parts_thousands() -> None:
    assert [1234.0, 0.5] == read_seconds(["1.234", "0,5"])


@given(st.floats(0, 1e7), st.integers(0, 7))
def test_what_surefire_writes_is_read_back(seconds: float, digits: int) -> None:
    written = f"{seconds:,.{digits}f}"
    assert read_seconds([written, "0.001"]) == [float(written.replace(",", "")), 0.001]


@given(st.floats(0, 1e7), st.integers(1, 7))
def test_what_a_german_tool_writes_is_read_back(seconds: float, digits: int) -> None:
    plain = f"{seconds:,.{digits}f}"
    written = plain.translate(str.maketrans(",.", ".,"))
    assert read_seconds([written, "0,0001"]) == [float(plain.replace(",", "")), 0.0001]


@given(st.lists(st.text(max_size=12), max_size=3))
def test_any_text_is_a_time_or_none(times: list[str]) -> None:
    assert all(0 <= seconds < float("inf") for seconds in read_seconds(times))
