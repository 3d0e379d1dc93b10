import csv
import io
import json
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pulseq.results import formats
from pulseq.results.formats import is_formula, shown, shown_ends, visible
from pulseq.results.table import Table

HOSTILE = '\x1b[31m,"quoted"\r\nline\x00\x9b‮\u200b'


def format_json(answer: Table) -> str:
    return "".join(formats.format_json(answer))


def format_csv(answer: Table, **how: bool) -> str:
    return "".join(formats.format_csv(answer, **how))


def table(*rows: tuple[object, ...], columns: tuple[str, ...] = ("name", "count")) -> Table:
    return Table(columns, ("VARCHAR", "BIGINT"), rows)


@given(st.text(st.characters()), st.integers(2, 20))
def test_no_text_reaches_a_terminal_raw_or_too_wide(text: str, width: int) -> None:
    safe = shown(text, width)
    assert [character for character in safe if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}] == []
    assert cell_len(safe) <= width


@given(st.text(st.characters()), st.integers(2, 20))
def test_what_keeps_both_ends_is_safe_and_no_wider(text: str, width: int) -> None:
    safe = shown_ends(text, width)
    assert [character for character in safe if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}] == []
    assert cell_len(safe) <= width


@given(st.text("abc:/", min_size=21), st.integers(3, 20))
def test_of_what_is_too_wide_both_ends_are_kept(text: str, width: int) -> None:
    head, _, tail = shown_ends(text, width).partition("…")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert (len(head), len(tail)) == (width // 2, width - width // 2 - 1)


def test_long_values_have_an_ellipsis() -> None:
    assert shown("x" * 1_000_000, 5) == "xxxx…"
    assert shown_ends("a" + "x" * 1_000_000 + "b", 5) == "ax…xb"


def test_json_has_an_object_per_row() -> None:
    rows = json.loads(format_json(table(("a", 1), (HOSTILE, None))))
    assert rows == [{"name": "a", "count": 1}, {"name": HOSTILE, "count": None}]


def test_json_reads_back_whatever_the_value() -> None:
    values = (
        float("nan"),
        float("inf"),
        Decimal("1.5"),
        Decimal("1.00000000000000000001"),
        b"\xff",
        {"k": [float("inf")]},
    )
    (row,) = json.loads(format_json(Table(tuple("abcdef"), ("VARCHAR",) * 6, (values,))))
    assert list(row.values()) == ["nan", "inf", 1.5, "1.00000000000000000001", "ff", {"k": ["inf"]}]


def test_json_keeps_columns_of_the_same_name_apart() -> None:
    assert json.loads(format_json(table((1, 2), columns=("a", "a")))) == [{"a": 1, "a_2": 2}]


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.integers()), max_size=5))
def test_csv_reads_back(rows: list[tuple[str, int]]) -> None:
    text = format_csv(table(*rows), raw=True)
    expected = [["name", "count"], *([name, str(count)] for name, count in rows)]
    assert list(csv.reader(io.StringIO(text, newline=""))) == expected


def test_csv_tells_null_from_empty_text() -> None:
    assert format_csv(table((None, 1), ("", 2))) == 'name,count\n,1\n"",2\n'


FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\ufeff=1", "\uff1d1", "-", "\nx")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_defused_in_csv(text: str) -> None:
    rows = list(csv.reader(io.StringIO(format_csv(table((text, 1), columns=(text, "count"))), newline="")))
    assert rows == [["'" + text, "count"], ["'" + text, "1"]]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_that_is_asked_for_raw_stays_one(text: str) -> None:
    rows = list(csv.reader(io.StringIO(format_csv(table((text, 1)), raw=True), newline="")))
    assert rows[1] == [text, "1"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_field_of_csv_begins_a_formula(text: str) -> None:
    (_, (cell, _)) = csv.reader(io.StringIO(format_csv(table((text, 1))), newline=""))
    assert not is_formula(cell)
    assert cell in (text, "'" + text)


@pytest.mark.parametrize("text", ["-1.5", "+3", "-2e-7", "a=b", "x", "'=1", "100%", "\u00a0x"])
def test_a_number_and_plain_text_are_no_formulas(text: str) -> None:
    assert format_csv(table((text, 1))) == f"name,count\n{text},1\n"


def test_values_that_nobody_chose_the_text_of_are_not_defused() -> None:
    kinds = ("INTERVAL", "DOUBLE", "TIMESTAMP WITH TIME ZONE", "DECIMAL(9,2)")
    values = ("-1 day", float("-inf"), "-infinity", Decimal("-1.50"))
    assert format_csv(Table(tuple("abcd"), kinds, (values,))) == "a,b,c,d\n-1 day,-inf,-infinity,-1.50\n"


@given(st.text(), st.booleans())
def test_csv_on_a_terminal_has_no_control_character(text: str, raw: bool) -> None:
    lines = format_csv(table((text, 1), columns=(text, "count")), for_terminal=True, raw=raw).split("\n")
    assert len(lines) == 3
    assert all(visible(line) == line for line in lines)


def test_control_characters_in_csv_stay_what_they_are_for_programs() -> None:
    assert format_csv(table(("a\x1b[31m", 1))) == "name,count\na\x1b[31m,1\n"
    assert format_csv(table(("a\x1b[31m\n", 1)), for_terminal=True) == "name,count\na\\x1b[31m\\n,1\n"


def test_json_without_rows_is_an_empty_list() -> None:
    assert format_json(table()) == "[]\n"
