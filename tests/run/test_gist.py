"""What a verdict repeats of an error."""

from __future__ import annotations

import pytest

from pulseq.run.gist import gist_of


@pytest.mark.parametrize(
    ("end", "gist"),
    [
        ("KeyError: 'nothing'", "KeyError: 'nothing'"),
        ("shop.Missing: a\n  b\nc\nd", "shop.Missing: a\n  b\nc"),
        ("ValueError: 1\n\nDuring it:\n\nTraceback (most recent call last):\n  File 'b'\nOSError: 2", "OSError: 2"),
    ],
)
def test_of_a_traceback_it_is_what_was_raised_and_not_where(end: str, gist: str) -> None:
    assert gist_of(f"Traceback (most recent call last):\n  File 'a'\n    pay(1)\n    ~~~^^^\n{end}") == gist


@pytest.mark.parametrize(("error", "gist"), [("a\nb\nc\nd\n", "b\nc\nd"), (" \n", "")])
def test_else_it_is_the_last_lines(error: str, gist: str) -> None:
    assert gist_of(error) == gist


def test_a_line_is_cut_where_it_is_long() -> None:
    assert "100 characters left out" in gist_of("x" * 600)
