"""What a verb says of itself: the words of its function, for `--help` and for the manual page."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def say_purpose(function: Callable[..., Any]) -> list[str]:
    """The paragraphs of a function's docstring before its arguments, each one line for whoever breaks it anew.

    A paragraph in which every line ends a sentence is a list, and each of its lines a paragraph.
    """
    text, _, _ = (inspect.getdoc(function) or "").partition("\nArgs:")
    return [line for paragraph in text.split("\n\n") for line in _join(paragraph.strip().splitlines())]


def _join(lines: list[str]) -> list[str]:
    return lines if all(line.endswith(".") for line in lines) else [" ".join(line.strip() for line in lines)]
