"""Values as text: on a terminal, as JSON, as CSV. Text from tests is hostile, and shown as such."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.cells import cell_len

from pulseq.results.table import Table

#: Categories of characters that a terminal may act upon, or that hide or reorder others.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: What a spreadsheet takes a field for a formula by, its wide forms too, and what it may pass over before.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_CONTROLS = ("\t", "\r", "\n")
_BLANK = "\t\r\n \x0b\x0c\0\xa0\u200b\ufeff\u3000"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TO_QUOTE = re.compile(r'[,"\r\n]')
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "U")
#: Beginnings of the types whose values nobody chooses the text of.
_PLAIN = (
    *_NUMBERS[:-1],
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "UUID", "BOOLEAN", "BLOB", "BIT"),
    *("DATE", "TIME", "INTERVAL"),
)


def format_json(table: Table) -> Iterator[str]:
    """The lines of a JSON list with one object per row; what JSON has no word for (NaN, infinity, bytes) is text.

    Of columns with the same name, the second is called `name_2`.
    """
    names = [json.dumps(name) for name in _unique(table.columns)]
    before = "[\n"
    for row in table.rows:
        fields = (f"    {name}: {_json_text(cell)}" for name, cell in zip(names, row, strict=True))
        yield before + "  {\n" + ",\n".join(fields) + "\n  }"
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _json_text(value: Any) -> str:
    """A value within an object of the list."""
    if isinstance(value, list | dict):
        return json.dumps(_for_json(value), indent=2, allow_nan=False).replace("\n", "\n    ")
    return json.dumps(_for_json(value), allow_nan=False)


def format_csv(table: Table, *, raw: bool = False, for_terminal: bool = False) -> Iterator[str]:
    """The lines of CSV with a header; NULL is an empty field, empty text a quoted one, lists and maps are JSON.

    Args:
        raw: leave text that a spreadsheet would take for a formula as it is; else an apostrophe comes before it.
        for_terminal: write what a terminal may act upon, and line ends within a field, as escapes.
    """

    def write(text: str, may_be_hostile: bool) -> str:
        safe = "'" + text if may_be_hostile and not raw and is_formula(text) else text
        return _csv_field(visible(safe) if for_terminal else safe)

    texts = [not kind.startswith(_PLAIN) for kind in table.types]
    # Names, too: a PIVOT makes them of values.
    yield ",".join(write(name, True) for name in table.columns) + "\n"
    for row in table.rows:
        cells = zip(row, texts, strict=True)
        yield ",".join("" if cell is None else write(_for_csv(cell), is_text) for cell, is_text in cells) + "\n"


def is_formula(text: str) -> bool:
    """Whether a spreadsheet might take a field for a formula: what begins as one, and is no plain number."""
    begins = text.startswith(_CONTROLS) or text.lstrip(_BLANK).startswith(_FORMULA)
    return begins and not _NUMBER.fullmatch(text)


def visible(text: str) -> str:
    """Text on one line that does nothing to a terminal."""
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def shown(text: str, max_width: int) -> str:
    """Text on one line that is safe on a terminal, no wider than `max_width` cells."""
    safe = visible(text[: 4 * max_width])
    if len(text) <= 4 * max_width and cell_len(safe) <= max_width:
        return safe
    cut = safe[: max_width - 1]
    while cell_len(cut) > max_width - 1:
        cut = cut[:-1]
    return cut + "…"


def shown_ends(text: str, max_width: int) -> str:
    """The same, but what is too wide loses its middle, and keeps both ends."""
    if len(text) <= 4 * max_width:
        text = visible(text)
        if cell_len(text) <= max_width:
            return text
    head = shown(text, max_width // 2 + 1)
    tail = visible(text[-max_width:])
    while cell_len(head) + cell_len(tail) > max_width:
        tail = tail[1:]
    return head + tail


def _unique(names: Sequence[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _UNSHOWN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def is_number(kind: str) -> bool:
    """Whether values of a DuckDB type are numbers."""
    return kind.startswith(_NUMBERS) and kind != "UUID" and not kind.endswith("]")


def is_short(kind: str) -> bool:
    """Whether values of a DuckDB type are numbers, times and the like, and not text or what holds several."""
    return kind.startswith(_PLAIN) and not kind.startswith("BLOB") and not kind.endswith("]")


def for_people(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}" if abs(value) < 1e6 else repr(value)
        case str():
            return value
        case bytes():
            return value.hex()
        case list() | dict():
            return json.dumps(_for_json(value), ensure_ascii=False)
    return str(value)


def _for_json(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case Decimal():
            return float(value) if Decimal(repr(float(value))) == value else str(value)
        case bytes():
            return value.hex()
        case list():
            return [_for_json(item) for item in value]
        case dict():
            return {str(key): _for_json(item) for key, item in value.items()}
    return value


def _for_csv(value: Any) -> str:
    match value:
        case float():
            return repr(value)
        case bool() | bytes() | list() | dict():
            return for_people(value)
    return str(value)


def _csv_field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if not text or _TO_QUOTE.search(text) else text
