"""A manual page: nothing of a text is a command, and all of it is shown."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulseq.reports.roff import Item, PagePart, escape, render_page

#: What a man page may begin a line with.
MACRO = re.compile(r"\.(TH|SH|SS|PP|TP|nh|ad l)\b")
needs_groff = pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff on this machine")


def show(page: str) -> str:
    """The page as plain text; a warning of groff's is an error."""
    command = ["groff", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=2000n"]
    shown = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    return shown.stdout


@given(st.text(), st.text())
def test_no_text_is_a_command(text: str, other: str) -> None:
    page = render_page("tool", text, [PagePart(1, other, [text], [Item(other, text)]), PagePart(3, text, [other])])

    assert page.isascii()
    assert [] == [line for line in page.splitlines() if line.startswith((".", "'")) and not MACRO.match(line)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("--lf", r"\-\-lf"),
        (".SH", r"\&.SH"),
        ("'x'", r"\&'x'"),
        (r"\n", r"\en"),
        ("a\n.b", "a .b"),
        ("…", r"\[u2026]"),
        ('"', r"\(dq"),
    ],
)
def test_what_means_something_is_written_otherwise(text: str, written: str) -> None:
    assert escape(text) == written


@pytest.mark.processes
@needs_groff
@settings(max_examples=25)
@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"], exclude_characters="`"), min_size=1))
def test_what_is_written_is_what_is_shown(text: str) -> None:
    assert text in show(render_page("tool", "1", [PagePart(1, "NAME", [f"see {text}"])]))


@needs_groff
def test_words_in_backquotes_lose_them_and_keep_their_spaces() -> None:
    page = render_page("tool", "1", [PagePart(1, "Name", ["run `tool --x` now"], [Item("`-x` N", "")])])

    assert "run tool --x now" in show(page)
