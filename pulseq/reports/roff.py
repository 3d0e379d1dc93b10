"""A manual page in the language of man(7): plain ASCII, in which nothing of a text is taken for a command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Item:
    """A term and what it means, such as an option."""

    term: str
    text: str


@dataclass(frozen=True, slots=True)
class PagePart:
    """A heading, paragraphs and terms under it; `level` 1 is a section, 2 one within it, 3 a line in bold."""

    level: int
    heading: str
    paragraphs: Sequence[str] = ()
    items: Sequence[Item] = ()


def render_page(name: str, version: str, parts: Sequence[PagePart]) -> str:
    """The page of a program in section 1. What stands `so` in a text is bold."""
    lines = [f'.TH {name.upper()} 1 "" "{escape(version)}" "User Commands"', ".nh", ".ad l"]
    for part in parts:
        lines += _render_part(part)
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """One line of text as it is: backslashes, hyphens, and what is not ASCII by its number."""
    shown = " ".join(text.split()).replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    shown = "".join(one if one.isascii() and one.isprintable() else f"\\[u{ord(one):04X}]" for one in shown)
    return rf"\&{shown}" if shown.startswith((".", "'")) else shown


def _render_part(part: PagePart) -> Iterator[str]:
    match part.level:
        case 1:
            yield f".SH {escape(part.heading.upper())}"
        case 2:
            yield f".SS {escape(part.heading)}"
        case _:
            yield from (".PP", rf"\fB{escape(part.heading)}\fR")
    for paragraph in part.paragraphs:
        yield from (".PP", _emphasize(paragraph))
    for item in part.items:
        yield from (".TP", _emphasize(item.term), _emphasize(item.text) or r"\&")


def _emphasize(text: str) -> str:
    """Text with what is in backquotes in bold."""
    parts = _QUOTED.split(" ".join(text.split()))
    shown = "".join(rf"\fB{escape(one)}\fR" if at % 2 else _keep_ends(one) for at, one in enumerate(parts))
    return rf"\&{shown}" if shown.startswith((".", "'")) else shown


def _keep_ends(text: str) -> str:
    """Escaped text with the spaces that it begins and ends with."""
    before = " " if text[:1] == " " and text.strip() else ""
    after = " " if text[-1:] == " " else ""
    return f"{before}{escape(text)}{after}"
