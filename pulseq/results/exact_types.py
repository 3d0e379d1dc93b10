"""Times and intervals as DuckDB writes them, where Python's own would lose something.

Python has no nanoseconds, no infinity and no months: DuckDB's bindings cut the first, give the year 9999 for the
second and 30 days for the third. So DuckDB turns these values to text, wherever they are in a type, and what is a
time of the calendar gets ISO 8601's form here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

#: Beginnings of the names of such types.
_TEMPORAL = ("date", "time", "interval")
#: As DuckDB writes a time; what is infinite or before Christ is no such thing and stays as it is.
_TIME = re.compile(r"(?:(\d{4,}-\d\d-\d\d) )?(\d\d:\d\d:\d\d)(?:\.(\d+))?(?:([+-]\d\d)(:\d\d(?::\d\d)?)?)?")
_UNHASHABLE = frozenset({"list", "array", "struct", "map", "tuple", "union"})


def text_type(kind: Any) -> str | None:
    """The type to cast to, for what must not become a value of Python's; None where nothing must.

    Args:
        kind: a type of DuckDB's bindings: `id`, `children`, and its name in SQL as its text.
    """
    if kind.id.startswith(_TEMPORAL):
        return "VARCHAR"
    if kind.id not in _UNHASHABLE:
        return None
    names = [name for name, _ in kind.children]
    inner = [child if isinstance(child, int) else text_type(child) for _, child in kind.children]
    if not any(isinstance(one, str) for one in inner):
        return None
    types = [one or str(child) for one, (_, child) in zip(inner, kind.children, strict=True)]
    match kind.id:
        case "list":
            return f"{types[0]}[]"
        case "array":
            return f"{types[0]}[{types[1]}]"
        case "map":
            return f"MAP({types[0]}, {types[1]})"
        case "struct" if all(names):
            return "STRUCT({})".format(
                ", ".join(f"{_quoted(name)} {one}" for name, one in zip(names, types, strict=True))
            )
    return "VARCHAR"  # whole: what has no names, or one of several types


def exact_columns(kinds: Sequence[Any]) -> str | None:
    """What to select of a query so that all of it can be told; None where it can as it is."""
    casts = [text_type(kind) for kind in kinds]
    if not any(casts):
        return None
    columns = [f"#{number}" if cast is None else f"#{number}::{cast}" for number, cast in enumerate(casts, 1)]
    return ", ".join(f"{column} AS c{number}" for number, column in enumerate(columns, 1))


def as_iso(value: Any, kind: Any) -> Any:
    """A value that was cast to `text_type(kind)`, its times in ISO 8601's form."""
    if value is None or text_type(kind) is None:
        return value
    if isinstance(value, str):
        return _iso(value)
    children = [child for _, child in kind.children]
    match kind.id:
        case "list" | "array":
            return [as_iso(item, children[0]) for item in value]
        case "map" if children[0].id in _UNHASHABLE:  # told as two lists
            pairs = zip(("key", "value"), children, strict=True)
            return {name: [as_iso(item, child) for item in value[name]] for name, child in pairs}
        case "map":
            return {as_iso(key, children[0]): as_iso(item, children[1]) for key, item in value.items()}
    return {name: as_iso(item, child) for (name, item), child in zip(value.items(), children, strict=True)}


def _iso(text: str) -> str:
    found = _TIME.fullmatch(text)
    if not found:
        return text
    day, clock, fraction, zone, minutes = found.groups()
    parts = [f"{day}T" if day else "", clock]
    if fraction:
        parts.append("." + fraction.ljust(6, "0"))
    if zone:
        parts.append(zone + (minutes or ":00"))
    return "".join(parts)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
