"""What a verb says of itself and of its options: for `--help` and for the manual page."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


def say_purpose(function: Callable[..., Any]) -> list[str]:
    """The paragraphs of a function's docstring before its arguments, each one line for whoever breaks it anew.

    A paragraph in which every line ends a sentence is a list, and each of its lines a paragraph.
    """
    text, _, _ = (inspect.getdoc(function) or "").partition("\nArgs:")
    return [line for paragraph in text.split("\n\n") for line in _join(paragraph.strip().splitlines())]


def _join(lines: list[str]) -> list[str]:
    return lines if all(line.endswith(".") for line in lines) else [" ".join(line.strip() for line in lines)]


def say_default(value: Any) -> str | None:
    """The default of an option, where it says more than that nothing was given; paths are told by its words."""
    if value in (inspect.Parameter.empty, None, "", ()) or isinstance(value, bool | Path):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)


class HelpDrawer:
    """Draws help as the parser does, the words on an option as one paragraph, wherever its docstring breaks them."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        from cyclopts.help import DefaultFormatter, InlineText

        entries = []
        for entry in panel.entries:
            words = str(getattr(entry.description, "primary_renderable", ""))
            entries.append(entry.copy(description=InlineText.from_format(" ".join(words.split()), "plaintext")))
        DefaultFormatter()(console, options, panel.copy(entries=entries))

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)
