"""What a verb says of itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pulseq.cli.help_text import say_default, say_purpose
from pulseq.cli.main import run_command


def verb() -> None:
    """Do one thing.

    A paragraph that goes on
    over two lines.

    bash: one.
    zsh: two.

    Args:
        none: Nothing of this.
    """


def silent() -> None: ...


def test_paragraphs_are_joined_lists_are_kept_and_arguments_are_left_out() -> None:
    expected = ["Do one thing.", "A paragraph that goes on over two lines.", "bash: one.", "zsh: two."]

    assert say_purpose(verb) == expected


def test_a_function_without_words_says_nothing() -> None:
    assert say_purpose(silent) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, None), (False, None), (True, None), ("", None), ((), None), (Path(), None), (0, "0"), (60.0, "60")],
)
def test_a_default_is_told_where_it_says_something(value: Any, told: str | None) -> None:
    assert say_default(value) == told


def test_words_on_an_option_are_one_paragraph(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    begin = next(number for number, line in enumerate(lines) if "--scheduler" in line)
    end = next(number for number, line in enumerate(lines) if "--credentials" in line)
    indent = lines[begin].index("Address")
    told = [line[indent:-2] for line in lines[begin:end]]
    assert not any(line.startswith(" ") for line in told)
    # A line ends where the next word would not have fitted, and nowhere else.
    assert all(len(line.rstrip()) + 1 + len(after.split()[0]) > len(line) for line, after in pairwise(told))
