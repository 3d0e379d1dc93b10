"""Hostile text, made safe for terminals and for XML."""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.safe_text import gist, last_lines, safe_line, safe_lines, xml_attribute, xml_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))
HOSTILE = ANY_TEXT | st.lists(
    st.sampled_from(
        ["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "]]>", "&amp;", "\u202e", "\ud800", "\r", "\x00", "x", "\n"]
    )
).map("".join)


def is_quiet(line: str) -> bool:
    """Whether no character of the line controls a terminal or its writing direction."""
    loud = {"Cc", "Cs"}
    return not any(
        unicodedata.category(one) in loud or one in "\u202a\u202b\u202d\u202e\u2066\u2067\u2069" for one in line
    )


@given(HOSTILE, st.integers(1, 80))
def test_a_safe_line_controls_no_terminal_and_keeps_its_limit(text: str, limit: int) -> None:
    line = safe_line(text, limit)
    assert (is_quiet(line), len(line) <= limit) == (True, True)


@given(HOSTILE)
def test_safe_lines_control_no_terminal(text: str) -> None:
    assert [line for line in safe_lines(text) if not is_quiet(line)] == []


@given(HOSTILE)
def test_a_safe_line_can_be_written_as_utf_8(text: str) -> None:
    line = safe_line(text)
    assert line == line.encode().decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("bell\x07", "bell␇"),
        ("a\u202eb", "a\\u202eb"),
        ("two\nlines\tand tab", "two lines and tab"),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
        ("\ud800", "\ufffd"),
        ("never ends \x1b]0;text", "never ends 0;text"),
    ],
)
def test_what_is_harmless_is_kept_and_the_rest_is_shown_or_removed(text: str, shown: str) -> None:
    assert shown == safe_line(text)


def test_a_text_of_a_megabyte_is_cut_with_an_ellipsis() -> None:
    assert safe_line("x" * 2**20, 10) == "x" * 9 + "…"


def test_last_lines_say_how_many_came_before() -> None:
    assert last_lines("a\nb\nc\r\nd\n\n", 2) == ["… 2 earlier lines", "c", "d"]


def test_a_progress_bar_that_returns_its_carriage_is_lines() -> None:
    assert safe_lines("10%\r20%\r") == ["10%", "20%"]


def test_the_gist_of_a_pytest_failure_is_its_e_lines() -> None:
    assert gist("> assert f() == 2\nE  assert 1 == 2\nE   +  where 1 = f()\n\nx.py:1", 3) == [
        "assert 1 == 2",
        "+  where 1 = f()",
    ]


def test_the_gist_of_another_error_is_its_end() -> None:
    assert gist("Traceback\n  File x\nValueError: no\n", 1) == ["ValueError: no"]


def test_the_gist_of_an_exception_of_many_lines_begins_where_it_does() -> None:
    frames = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    raise ValueError(…)\n      ^^^^^\n'
    error = f"{frames}ValueError: no price\n  of any\ncart\nwas found"

    assert ["ValueError: no price"] == gist(error, 1)
    assert ["ValueError: no price", "  of any", "cart"] == gist(error, 3)
    assert ["      ^^^^^", "ValueError: no price"] == gist(f"{frames}ValueError: no price", 2)


def test_the_gist_of_a_program_is_how_it_ended_and_its_last_words() -> None:
    error = "ended by signal 11 (SIGSEGV); its last output:\nE   of nothing\nsaving the cart"

    assert ["ended by signal 11 (SIGSEGV): saving the cart"] == gist(error, 1)
    assert ["ended by signal 11 (SIGSEGV)", "saving the cart"] == gist(error, 2)


@given(HOSTILE)
def test_any_text_is_read_back_from_an_element(text: str) -> None:
    read = ElementTree.fromstring(f"<a>{xml_text(text)}</a>").text or ""
    assert xml_text(text) == xml_text(read)


@given(HOSTILE)
def test_any_text_is_read_back_from_an_attribute(text: str) -> None:
    read = ElementTree.fromstring(f"<a b={xml_attribute(text)}/>").attrib["b"]
    assert xml_attribute(text) == xml_attribute(read)


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=("Cc",)))
    | st.just("a\r\nb\tc]]>&<")
)
def test_text_that_xml_can_hold_comes_back_as_it_was(text: str) -> None:
    assert text == (ElementTree.fromstring(f"<a>{xml_text(text)}</a>").text or "")


def test_what_xml_cannot_hold_is_told_by_its_number() -> None:
    assert xml_text("a\x00b\ufffe\ud800") == "a#x00b#xFFFE#xD800"
