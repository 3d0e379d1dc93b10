"""TOML with the lines of its keys, which the standard parser does not tell: a scan finds them."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator

from pulseq.suites.documents import Document, Flaw, KeyPath, WrittenFloat, shorten

_BARE_OR_QUOTED = r"""(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_BARE_OR_QUOTED}(?:\s*\.\s*{_BARE_OR_QUOTED})*"
_HEADER = re.compile(rf"\s*(?P<list>\[)?\[\s*(?P<key>{_KEY})\s*\]\]?\s*(?:#.*)?")
_PAIR = re.compile(rf"\s*(?P<key>{_KEY})\s*=(?P<value>.*)")
_PART = re.compile(_BARE_OR_QUOTED)
_LINE_OF_ERROR = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


def parse_toml(text: str, source: str) -> Document:
    """A TOML text as a document.

    Raises:
        ConfigurationError: it is no TOML; `source` names the file.
    """
    try:
        value = tomllib.loads(text, parse_float=_read_float)
    except (ValueError, RecursionError) as error:
        found = _LINE_OF_ERROR.search(str(error))
        line = None if found is None else int(found["line"] or text.rstrip().count("\n") + 1)
        why = shorten(_LINE_OF_ERROR.sub("", str(error)))
        expected = (
            "text in quotes, a number, true, false, [a list] or {a = 'table'}" if why == "Invalid value" else "TOML"
        )
        flaw = Flaw((), f"text that is no TOML ({why})", expected, line=line)
        raise Document(source, None).refuse([flaw]) from None
    lines = dict(_scan_lines(text))
    return Document(source, value, (), lambda path: _find_line(lines, path))


def _read_float(text: str) -> float:
    return WrittenFloat(text.replace("_", "")) if any(map(str.isdigit, text)) else float(text)


def _find_line(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 1)


def _scan_lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Where each table and each key at the start of a line stands; text blocks are passed over."""
    table: KeyPath = ()
    counts: Counter[KeyPath] = Counter()
    closing: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if closing is not None:
            closing = None if line.count(closing) % 2 else closing
        elif header := _HEADER.fullmatch(line):
            table = _place_table(_split_key(header["key"]), counts, is_list=bool(header["list"]))
            yield table, number
        elif pair := _PAIR.fullmatch(line):
            yield (*table, *_split_key(pair["key"])), number
            closing = next((quotes for quotes in ('"""', "'''") if pair["value"].count(quotes) % 2), None)


def _place_table(key: tuple[str, ...], counts: Counter[KeyPath], *, is_list: bool) -> KeyPath:
    """The path of a table, with the index of the element in each list of tables on its way."""
    path: KeyPath = ()
    for part in key[:-1]:
        path = (*path, part)
        path = (*path, counts[path] - 1) if path in counts else path
    path = (*path, key[-1])
    if not is_list:
        return path
    counts[path] += 1
    return (*path, counts[path] - 1)


def _split_key(text: str) -> tuple[str, ...]:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(text))
