"""A table as text for people: as wide as its values, or as wide as a terminal.

What a reader copies into the next question, ids, addresses and places, is never cut. Where a terminal has no room for
the columns side by side, other long texts give way first; then each row is written down its columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from pulseq.bounds import MOST_ID_CHARACTERS
from pulseq.results.formats import for_people, is_number, is_short, shown, shown_ends
from pulseq.results.table import Table

_COPIED = re.compile(r"(.*_)?(id|nodeid|url|path|location|name|suite|variant)", re.IGNORECASE)
_WIDEST = 60
_NARROWEST = 16
#: An id that was cut where it was stored is no longer, and neither are one's escapes.
_WHOLE = 10 * MOST_ID_CHARACTERS
_GAP = "  "


def format_table(table: Table, *, width: int | None = None) -> Iterator[str]:
    """The lines of aligned columns, or of a block for each row; control characters are visible.

    Args:
        width: the cells of the terminal that it is for; None for a file or a pipe, where lines may have any length.
    """
    widest = _WIDEST if width is None else max(width, _NARROWEST)
    heads = [shown(name, _WIDEST) for name in table.columns]
    limits = [
        _WHOLE if _COPIED.fullmatch(name) or is_short(kind) else widest
        for name, kind in zip(table.columns, table.types, strict=True)
    ]
    widths = [cell_len(head) for head in heads]
    for row in _cut_rows(table, limits):
        widths = [max(width, cell_len(cell)) for width, cell in zip(widths, row, strict=True)]
    if width is not None and _measure(widths) > width and len(table.rows):
        narrower = _make_narrower(heads, limits, widths, width)
        if narrower is None:
            yield from _write_blocks(table, heads, limits, width)
            return
        limits, widths = narrower
    right = [is_number(kind) for kind in table.types]
    yield _line(heads, widths, right)
    yield _GAP.join("-" * width for width in widths) + "\n"
    for row in _cut_rows(table, limits):
        yield _line(row, widths, right)
    yield _count(table)


def _make_narrower(
    heads: Sequence[str], limits: Sequence[int], widths: Sequence[int], room: int
) -> tuple[list[int], list[int]] | None:
    """Limits and widths with which all columns have room, the texts as long as may be; None where none are."""
    for most in range(room, _NARROWEST - 1, -1):
        new_limits = [limit if limit == _WHOLE else most for limit in limits]
        new_widths = [
            min(width, max(limit, cell_len(head))) for head, limit, width in zip(heads, new_limits, widths, strict=True)
        ]
        if _measure(new_widths) <= room:
            return new_limits, new_widths
    return None


def _write_blocks(table: Table, heads: Sequence[str], limits: Sequence[int], room: int) -> Iterator[str]:
    """Each row as lines of a column's name and its value."""
    widest = max(cell_len(head) for head in heads)
    most = max(room - widest - len(_GAP), _NARROWEST)
    new_limits = [limit if limit == _WHOLE else most for limit in limits]
    for number, row in enumerate(_cut_rows(table, new_limits), start=1):
        title = f"-- row {number} "
        yield title.ljust(room, "-") + "\n"
        for head, cell in zip(heads, row, strict=True):
            yield f"{_pad(head, widest, to_right=False)}{_GAP}{cell}".rstrip() + "\n"
    yield _count(table)


def _cut_rows(table: Table, limits: Sequence[int]) -> Iterator[list[str]]:
    return ([_cut(for_people(cell), limit) for cell, limit in zip(row, limits, strict=True)] for row in table.rows)


def _cut(text: str, most: int) -> str:
    """A sentence loses its end; what has no spaces has something to tell at both, as ids do."""
    return shown(text, most) if " " in text[: 4 * most] else shown_ends(text, most)


def _measure(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (_pad(cell, width, to_right=side) for cell, width, side in zip(cells, widths, right, strict=True))
    return _GAP.join(padded).rstrip() + "\n"


def _pad(cell: str, width: int, *, to_right: bool) -> str:
    blank = " " * (width - cell_len(cell))
    return blank + cell if to_right else cell + blank


def _count(table: Table) -> str:
    count = len(table.rows)
    more = ", and there are more" if table.truncated else ""
    return f"({count} row{'' if count == 1 else 's'}{more})\n"
