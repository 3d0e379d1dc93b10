"""What a command line holds before and after its `--`."""

from __future__ import annotations

from collections.abc import Sequence


def split_at_dashes(argv: Sequence[str], words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Positional words of ours, and those that stood behind the first `--`.

    The parser has taken the `--` away, but keeps the order: the words behind it are the last ones.
    """
    if "--" not in argv:
        return list(words), []
    behind = len(argv) - argv.index("--") - 1
    return list(words[: len(words) - behind]), list(words[len(words) - behind :])
