"""Tables as text: for a terminal, as JSON, as CSV. Text from tests is hostile, and shown as such."""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.cells import cell_len

from pulseq.results.table import Table

#: Categories of characters that a terminal may act upon, or that hide or reorder others.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "U")


def format_table(table: Table, *, max_cell_width: int = 60) -> str:
    """Aligned columns for people; control characters stand as escapes, long values end in an ellipsis."""
    heads = [shown(name, max_cell_width) for name in table.columns]
    rows = [[shown(_for_people(cell), max_cell_width) for cell in row] for row in table.rows]
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    right = [kind.startswith(_NUMBERS) and kind != "UUID" and not kind.endswith("]") for kind in table.types]
    lines = [_line(heads, widths, right), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, right) for row in rows]
    return "\n".join([*lines, _count(table)]) + "\n"


def format_json(table: Table) -> str:
    """A JSON list with one object per row; what JSON has no word for (NaN, infinity, bytes) is text.

    Of columns with the same name, the second is called `name_2`.
    """
    rows = [dict(zip(_unique(table.columns), map(_for_json, row), strict=True)) for row in table.rows]
    return json.dumps(rows, indent=2, allow_nan=False) + "\n"


def format_csv(table: Table) -> str:
    """CSV with a header; NULL is an empty field, empty text a quoted one, lists and maps are JSON."""
    lines = [[_csv_field(name) for name in table.columns]]
    lines += [[_csv_field(cell) for cell in row] for row in table.rows]
    return "".join(",".join(line) + "\n" for line in lines)


def shown(text: str, max_width: int) -> str:
    """Text on one line that is safe on a terminal, no wider than `max_width` cells."""
    safe = "".join(_visible(character) for character in text[: 4 * max_width])
    if len(text) <= 4 * max_width and cell_len(safe) <= max_width:
        return safe
    cut = safe[: max_width - 1]
    while cell_len(cut) > max_width - 1:
        cut = cut[:-1]
    return cut + "…"


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


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        " " * (width - cell_len(cell)) + cell if to_right else cell + " " * (width - cell_len(cell))
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _count(table: Table) -> str:
    count = len(table.rows)
    more = ", and there are more" if table.truncated else ""
    return f"({count} row{'' if count == 1 else 's'}{more})"


def _for_people(value: Any) -> str:
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


def _csv_field(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            text = repr(value)
        case bool() | bytes() | list() | dict():
            text = _for_people(value)
        case _:
            text = str(value)
    quoted = not text or any(character in text for character in ',"\r\n')
    return '"' + text.replace('"', '""') + '"' if quoted else text
