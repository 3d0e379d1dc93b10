"""Each kind of value is read, or everything that is wrong with it is told."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.suites import values
from pulseq.suites.documents import Flawed, WrittenFloat
from pulseq.suites.schema import ReadBy, read

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
every_kind = st.sampled_from(
    [
        values.Text,
        values.Written,
        values.FileName,
        values.Flag,
        values.Seconds,
        values.PositiveSeconds,
        values.Size,
        values.Memory,
        values.Requirements,
        values.Capabilities,
    ]
)


@given(every_kind, anything)
def test_any_value_is_read_or_refused_in_words(kind: Any, value: object) -> None:
    try:
        read(kind, value)
        flaws = 1
    except Flawed as error:
        flaws = len(error.flaws)
    assert flaws >= 1


def test_a_number_too_large_for_a_decimal_is_refused() -> None:
    with pytest.raises(Flawed, match="expected a number of seconds, 0 or more"):
        read(values.Seconds, 10**400)


def test_of_words_there_is_one_whatever_its_case() -> None:
    kind = Annotated[int, ReadBy(values.one_of({"high": 1, "low": 0}))]
    assert read(kind, "HIGH") == 1
    with pytest.raises(Flawed, match="found 'hgh', expected one of high, low; did you mean 'high'"):
        read(kind, "hgh")


@pytest.mark.parametrize(
    ("name", "written", "kept"),
    [("python", "3.5", "3.5"), ("browser_version", "3.5", "3.5"), ("ios", "17.10", "17.10"), ("load", "0.5", 0.5)],
)
def test_a_decimal_stays_text_where_it_is_a_version(name: str, written: str, kept: object) -> None:
    assert read(values.Capabilities, {name: WrittenFloat(written)}) == {name: kept}
    assert read(values.Requirements, {name: [WrittenFloat(written)]}) == {name: (kept,)}
