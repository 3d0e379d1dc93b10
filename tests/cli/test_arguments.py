"""The command line around its `--`."""

from __future__ import annotations

import pytest

from pulseq.cli.arguments import split_at_dashes


@pytest.mark.parametrize(
    ("argv", "words", "parts"),
    [
        (["pulseq", "run", "a", "b"], ["a", "b"], (["a", "b"], [])),
        (["pulseq", "run", "a", "--", "-k", "x"], ["a", "-k", "x"], (["a"], ["-k", "x"])),
        (["pulseq", "run", "a", "-n", "2", "--", "b"], ["a", "b"], (["a"], ["b"])),
        (["pulseq", "run", "a", "--"], ["a"], (["a"], [])),
        (["pulseq", "run", "--", "-x"], ["-x"], ([], ["-x"])),
        (["pulseq", "run", "a", "--", "b", "--", "c"], ["a", "b", "--", "c"], (["a"], ["b", "--", "c"])),
    ],
)
def test_words_behind_the_dashes_are_for_pytest(
    argv: list[str], words: list[str], parts: tuple[list[str], list[str]]
) -> None:
    assert split_at_dashes(argv, words) == parts
