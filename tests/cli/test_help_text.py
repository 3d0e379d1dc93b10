"""What a verb says of itself."""

from __future__ import annotations

from pulseq.cli.help_text import say_purpose


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
