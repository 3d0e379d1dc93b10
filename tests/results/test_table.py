import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulseq.results.table import WiredRows, from_wire, to_wire

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(values)
def test_values_come_through_the_pipe_as_they_were(value: object) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(value)))) == value


def test_nan_comes_through() -> None:
    value = from_wire(json.loads(json.dumps(to_wire(math.nan))))
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (timedelta(hours=1), "1:00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, Decimal("2.0")), [1, Decimal("2.0")]),
        (bytearray(b"a"), b"a"),
    ],
)
def test_values_without_a_word_in_json_arrive_as_text(value: object, expected: object) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(value)))) == expected


def test_keys_that_no_dict_takes_arrive_as_text() -> None:
    assert from_wire({"$": "map", "v": [[[1], 2]]}) == {"[1]": 2}


def test_a_struct_with_the_names_of_a_tag_is_no_tag() -> None:
    assert from_wire(to_wire({"$": "decimal", "v": "1"})) == {"$": "decimal", "v": "1"}


@settings(max_examples=8)
@given(st.lists(st.lists(st.tuples(values, values), min_size=1, max_size=3), max_size=3))
def test_rows_are_read_as_often_as_they_are_asked_for(batches: list[list[tuple[object, object]]]) -> None:
    lines = [json.dumps({"rows": [[to_wire(cell) for cell in row] for row in batch]}).encode() for batch in batches]
    expected = tuple(row for batch in batches for row in batch)
    rows = WiredRows(lines, len(expected))
    assert (len(rows), tuple(rows), tuple(rows)) == (len(expected), expected, expected)
    assert rows == expected
    assert all(row in rows for row in expected)
    assert rows != (*expected, ())
