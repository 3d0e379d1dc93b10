"""What a table looks like: on a terminal of some width, and where lines may have any length."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pulseq.results import text_table
from pulseq.results.table import Table

HOSTILE = '\x1b[31m,"quoted"\r\nline\x00\x9b\u202e\u200b'
LONG_ID = "tests/unit/test_cart.py::TestCart::test_that_the_total_is_right[many items-a coupon-3]"


def format_table(answer: Table, width: int | None = None) -> str:
    return "".join(text_table.format_table(answer, width=width))


def table(*rows: tuple[object, ...], columns: tuple[str, ...] = ("name", "count")) -> Table:
    return Table(columns, ("VARCHAR", "BIGINT"), rows)


def results(*rows: tuple[str, str, float]) -> Table:
    return Table(("test_id", "error", "duration"), ("VARCHAR", "VARCHAR", "DOUBLE"), rows)


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    text = format_table(table(("a", 5), ("longer", 1234)))
    assert text == "name    count\n------  -----\na           5\nlonger   1234\n(2 rows)\n"


def test_an_empty_table_says_so() -> None:
    assert format_table(table()) == "name  count\n----  -----\n(0 rows)\n"


def test_a_cut_table_says_so() -> None:
    cut = Table(("a",), ("BIGINT",), ((1,),), truncated=True)
    assert format_table(cut).splitlines()[-1] == "(1 row, and there are more)"


def test_hostile_text_is_escaped_in_a_table() -> None:
    row = format_table(table((HOSTILE, 1))).splitlines()[2]
    assert row.startswith('\\x1b[31m,"quoted"\\r\\nline\\x00\\x9b\\u202e\\u200b')


def test_wide_characters_keep_the_columns_aligned() -> None:
    lines = format_table(table(("日本", 1), ("abcd", 2))).splitlines()
    assert cell_len(lines[2]) == cell_len(lines[3])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (0.1 + 0.2, "0.3"),
        (b"\xff", "ff"),
        ({"a": 1}, '{"a": 1}'),
        (Decimal("1.10"), "1.10"),
    ],
)
def test_values_are_shown_as_a_person_reads_them(value: object, expected: str) -> None:
    assert format_table(Table(("a",), ("VARCHAR",), ((value,),))).splitlines()[2] == expected


@pytest.mark.parametrize(("width", "kept"), [(None, 59), (len(LONG_ID) + 50, 37), (len(LONG_ID) + 150, 137)])
def test_an_id_is_whole_and_a_long_text_has_the_room_that_is_left(width: int | None, kept: int) -> None:
    text = "it is " * 40
    row = format_table(results((LONG_ID, text, 0.5)), width).splitlines()[2]
    assert row == f"{LONG_ID}  {text[:kept]}…       0.5"


def test_a_long_text_without_spaces_keeps_both_ends() -> None:
    text = "a" * 50 + "b" * 50
    row = format_table(table((text, 1), columns=("text", "count"))).splitlines()[2]
    assert row == "a" * 30 + "…" + "b" * 29 + "      1"


def test_on_a_narrow_terminal_long_texts_give_way() -> None:
    lines = format_table(results(("a::b", "it is wrong " * 3, 0.5)), 40).splitlines()
    assert lines == [
        "test_id  error                  duration",
        "-------  ---------------------  --------",
        "a::b     it is wrong it is wr…       0.5",
        "(1 row)",
    ]


def test_times_and_numbers_are_never_cut() -> None:
    time = "2026-11-30T00:51:40.080568+00:00"
    answer = Table(("at", "error"), ("TIMESTAMP WITH TIME ZONE", "VARCHAR"), ((time, "wrong " * 20),))
    assert format_table(answer, 55).splitlines()[2] == f"{time}  wrong wrong wrong wr…"


def test_where_columns_have_no_room_each_row_is_a_block() -> None:
    lines = format_table(results((LONG_ID, "it is wrong " * 20, 0.5), ("b", "", 1.0)), 80).splitlines()
    assert lines == [
        "-- row 1 -----------------------------------------------------------------------",
        f"test_id   {LONG_ID}",
        f"error     {('it is wrong ' * 20)[:69]}…",
        "duration  0.5",
        "-- row 2 -----------------------------------------------------------------------",
        "test_id   b",
        "error",
        "duration  1",
        "(2 rows)",
    ]


def test_an_empty_answer_has_its_columns_on_any_terminal() -> None:
    assert format_table(results(), 10).splitlines()[0] == "test_id  error  duration"


@given(
    st.lists(st.tuples(st.text(max_size=150), st.text(max_size=150), st.floats(allow_nan=False)), min_size=1),
    st.integers(40, 200),
)
def test_no_id_is_cut_and_nothing_but_an_id_is_too_wide(rows: list[tuple[str, str, float]], width: int) -> None:
    answer = results(*(("id-" + ascii(text)[1:-1], error, number) for text, error, number in rows))
    lines = format_table(answer, width).splitlines()
    ids = [row[0].rstrip() for row in answer.rows]
    assert all(any(one in line for line in lines) for one in ids)
    assert [line for line in lines if cell_len(line) > width and not any(one in line for one in ids)] == []
