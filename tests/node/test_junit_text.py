"""Bytes of tools' XML files, as text that a parser takes."""

from __future__ import annotations

from itertools import pairwise
from xml.etree.ElementTree import XMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.node.junit_text import XmlText


def read(*chunks: bytes) -> tuple[str, str | None]:
    text = XmlText()
    told = "".join([*map(text.feed, chunks), text.feed(b"", last=True)])
    return told, text.trouble


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("<a>é</a>".encode(), "<a>é</a>"),
        ("<a>é</a>".encode("utf-8-sig"), "<a>é</a>"),
        ("<a>é</a>".encode("utf-16"), "<a>é</a>"),
        ("<a>é</a>".encode("utf-16-le"), "<a>é</a>"),
        ("<a>é</a>".encode("utf-16-be"), "<a>é</a>"),
        ("<a>é</a>".encode("utf-32"), "<a>é</a>"),
        (b"\r\n <a/>", "<a/>"),
    ],
)
def test_unicode_is_known_by_its_first_bytes(data: bytes, text: str) -> None:
    assert (text, None) == read(data)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "gbk", "shift_jis", "EUC-KR"])
def test_a_declared_encoding_is_read(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?><a>{'é' if encoding[0] in 'iw' else '日'}</a>"
    assert (text, None) == read(text.encode(encoding))


def test_a_file_that_says_utf_16_and_is_utf_8_is_utf_8() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><a>é</a>'
    assert (text, None) == read(text.encode())


@pytest.mark.parametrize("encoding", ["no-such", "rot13", "hex", "zip", "cp037"])
def test_an_encoding_that_is_none_of_xmls_is_told(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?><a>é</a>"
    assert (text, f"its encoding is {encoding!r}, which is not known here") == read(text.encode())


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"<a>\n\x1b[31mred</a>", "has the character U+001B in line 2, which XML does not allow"),
        (b"<a>&#27;[31mred</a>", "has the character U+001B in line 1, which XML does not allow"),
        (b"<a>&#x1b;[31mred</a>", "has the character U+001B in line 1, which XML does not allow"),
        (b"<a>\0[31mred</a>", "has the character U+0000 in line 1, which XML does not allow"),
        (b"<a>\xef\xbf\xbe[31mred</a>", "has the character U+FFFE in line 1, which XML does not allow"),
        (b"<a>&#xD800;[31mred</a>", "has the character U+D800 in line 1, which XML does not allow"),
        (
            b"<a>&#99999999;[31mred</a>",
            "has a reference to no character (&#99999999;) in line 1, which XML does not allow",
        ),
        (
            b"<a>\xff[31mred</a>",
            "has the byte 0xff, which is none of its encoding's, in line 1, which XML does not allow",
        ),
    ],
)
def test_a_character_that_xml_forbids_is_told_and_replaced(data: bytes, told: str) -> None:
    text, trouble = read(data)
    assert (text.replace("\n", ""), trouble) == ("<a>\ufffd[31mred</a>", told)


def test_the_first_trouble_is_told_with_its_line_whatever_the_chunks() -> None:
    assert read(b"<a>\n\n", b"\x01\n", b"\x02</a>")[1] == (
        "has the character U+0001 in line 3, which XML does not allow"
    )


@pytest.mark.parametrize("text", ["&#9;", "&#xA;", "&#x1F600;", "&lt;", "&#27", "a & b", "&#;", "\t\r\n\x7f\x85é"])
def test_what_xml_allows_or_a_parser_will_tell_is_left_as_it_is(text: str) -> None:
    assert (f"<a>{text}</a>", None) == read(f"<a>{text}</a>".encode())


@given(st.text(), st.lists(st.integers(0, 30), max_size=3))
def test_no_text_depends_on_where_chunks_end(inside: str, cuts: list[int]) -> None:
    data = f"<a>{inside}&#27;&#x1b;\x1b</a>".encode("utf-8", "replace")
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    assert read(data) == read(*(data[start:end] for start, end in pairwise(places)))


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_any_characters_can_be_given_to_a_parser(inside: str) -> None:
    escaped = inside.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    parser = XMLParser()
    parser.feed(read(f"<a>{escaped}</a>".encode("utf-8", "surrogatepass"))[0])
    assert parser.close().tag == "a"


@given(st.binary(max_size=60))
def test_any_bytes_become_text_without_what_xml_forbids(data: bytes) -> None:
    try:
        text, _ = read(data)
    except UnicodeError:
        return
    assert not [one for one in text if (one < " " and one not in "\t\n\r") or "\ud800" <= one <= "\udfff"]
