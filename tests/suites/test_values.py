"""Readers take a value or tell everything that is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.suites import readers
from pulseq.suites.documents import Flawed, WrittenFloat

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
every_reader = st.sampled_from(
    [
        readers.read_text,
        readers.read_written,
        readers.read_flag,
        readers.read_seconds,
        readers.read_positive_seconds,
        readers.read_size,
        readers.read_requirements,
        readers.read_capabilities,
        readers.whole_number(0, 9),
        readers.one_of({"a": 1}),
        readers.list_of(readers.read_text, "a list"),
        readers.mapping_of(readers.read_text, "a mapping"),
    ]
)


def refuse(reader: readers.Reader[Any], value: object) -> list[str]:
    with pytest.raises(Flawed) as refusal:
        reader(value)
    return [str(flaw) for flaw in refusal.value.flaws]


@given(every_reader, anything)
def test_any_value_is_read_or_refused_in_words(reader: readers.Reader[Any], value: object) -> None:
    try:
        reader(value)
        flaws = 1
    except Flawed as error:
        flaws = len(error.flaws)
    assert flaws >= 1


def test_all_flaws_of_a_list_are_told_with_their_places() -> None:
    read = readers.list_of(readers.whole_number(1), "a list of counts")
    assert refuse(read, [1, 0, "x"]) == [
        "[1]: found 0, expected a whole number, 1 or more",
        "[2]: found 'x', expected a whole number, 1 or more",
    ]


def test_keys_that_are_fine_are_read_beside_those_that_are_not() -> None:
    reading = readers.read_keys(
        {"a": True, "b": 1, "c": 2}, {"a": readers.read_flag, "b": readers.read_flag}, thing="x"
    )
    assert reading.values == {"a": True}
    assert [str(flaw) for flaw in reading.flaws] == [
        "b: found 1, expected true or false",
        "c: found an unknown key, expected a key of x: a, b",
    ]


def test_a_number_too_large_for_a_decimal_is_refused() -> None:
    assert "expected a number of seconds, 0 or more" in refuse(readers.read_seconds, 10**400)[0]


@pytest.mark.parametrize(
    ("name", "written", "kept"),
    [("python", "3.5", "3.5"), ("browser_version", "3.5", "3.5"), ("ios", "17.10", "17.10"), ("load", "0.5", 0.5)],
)
def test_a_decimal_stays_text_where_it_is_a_version(name: str, written: str, kept: object) -> None:
    assert readers.read_capabilities({name: WrittenFloat(written)}) == {name: kept}
    assert readers.read_requirements({name: [WrittenFloat(written)]}) == {name: (kept,)}
