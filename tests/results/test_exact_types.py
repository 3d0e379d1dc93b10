import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.results.exact_types import as_iso, exact_columns, text_type

LEAVES = {
    "INTEGER": "1",
    "VARCHAR": "'a'",
    "DATE": "'infinity'",
    "TIMESTAMP_NS": "NULL",
    "INTERVAL": "INTERVAL 1 MONTH",
}
types = st.recursive(
    st.sampled_from(sorted(LEAVES)),
    lambda inner: st.one_of(
        inner.map(lambda one: f"{one}[]"),
        inner.map(lambda one: f"{one}[2]"),
        st.tuples(inner, inner).map(lambda two: f"MAP({two[0]}, {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f'STRUCT("a b" {two[0]}, "c""d" {two[1]})'),
    ),
    max_leaves=4,
)


@given(types)
def test_what_is_cast_to_keeps_its_shape_and_holds_no_time(written: str) -> None:
    kind = duckdb.sqltype(written)
    expected = re.sub(r"DATE|TIMESTAMP_NS|INTERVAL", "VARCHAR", written)
    target = text_type(kind)
    assert str(kind if target is None else duckdb.sqltype(target)) == str(duckdb.sqltype(expected))


def test_only_what_has_a_time_in_it_is_cast() -> None:
    kinds = [duckdb.sqltype(written) for written in ("INTEGER", "INTERVAL", "VARCHAR[]", "DATE[]")]
    assert exact_columns(kinds) == "#1 AS c1, #2::VARCHAR AS c2, #3 AS c3, #4::VARCHAR[] AS c4"
    assert exact_columns(kinds[::2]) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05"),
        ("2026-01-02 03:04:05.1+00", "2026-01-02T03:04:05.100000+00:00"),
        ("2026-01-02 03:04:05.123456789-05:30", "2026-01-02T03:04:05.123456789-05:30"),
        ("infinity", "infinity"),
        ("0044-03-15 (BC) 10:00:00", "0044-03-15 (BC) 10:00:00"),
        ("2026-01-02", "2026-01-02"),
        ("03:04:05+01", "03:04:05+01:00"),
    ],
)
def test_a_time_has_the_form_of_iso_8601(text: str, expected: str) -> None:
    assert as_iso(text, duckdb.sqltype("TIMESTAMP")) == expected


def test_text_that_looks_like_a_time_is_left_alone() -> None:
    kind = duckdb.sqltype("STRUCT(a VARCHAR, b TIMESTAMP)")
    told = {"a": "2026-01-02 03:04:05", "b": "2026-01-02 03:04:05"}
    assert as_iso(told, kind) == {"a": "2026-01-02 03:04:05", "b": "2026-01-02T03:04:05"}
