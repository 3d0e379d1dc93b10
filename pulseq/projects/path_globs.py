"""Patterns of paths that are relative to a directory, with `/` between their parts."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ANY_DEPTH = "**"
_SIGNS = re.compile(r"[*?\[]")
_PIECES = re.compile(r"\*+|\?|\[(!?)([^\]]+)\]|.", re.DOTALL)


class PathGlobs:
    """Whether a path is meant by one of some patterns: by its own name, or by that of a directory that it is in.

    `*` and `?` stand for characters within a name, `**` for any number of directories; `src` is all that is in it.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_parts_of(pattern) for pattern in patterns]
        joined = "|".join(_expression(parts) for parts in self._patterns)
        self._matches = re.compile(rf"(?:{joined})(?:/.*)?", re.DOTALL).fullmatch if joined else None

    def match(self, path: str) -> bool:
        """Whether a path is meant."""
        return self._matches is not None and self._matches(path) is not None

    @property
    def tops(self) -> list[str]:
        """The directories, or files, below which all is that can match: `.` is the one that patterns begin at."""
        tops = {"/".join(_plain_start(parts)) or "." for parts in self._patterns}
        return ["."] if "." in tops else sorted(top for top in tops if not _has_parent_in(top, tops))


def _parts_of(pattern: str) -> list[str]:
    return [part for part in pattern.split("/") if part not in ("", ".")]


def _plain_start(parts: list[str]) -> list[str]:
    first = next((index for index, part in enumerate(parts) if _SIGNS.search(part)), len(parts))
    return parts[:first]


def _has_parent_in(path: str, paths: set[str]) -> bool:
    return any(path.startswith(f"{other}/") for other in paths)


def _expression(parts: list[str]) -> str:
    told = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == _ANY_DEPTH:
            told += ".+" if last else "(?:[^/]+/)*"
        else:
            told += "".join(map(_piece, _PIECES.finditer(part))) + ("" if last else "/")
    return told


def _piece(found: re.Match[str]) -> str:
    text = found[0]
    if text.startswith("*"):
        return "[^/]*"
    if text == "?":
        return "[^/]"
    if found[2]:
        return f"[{'^' if found[1] else ''}{re.escape(found[2]).replace(chr(92) + '-', '-')}]"
    return re.escape(text)
