"""The answer to a query as columns and rows, and how it travels over a pipe without loss."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

_TAG, _VALUE = "$", "v"


@dataclass(frozen=True, slots=True)
class Table:
    """What a query answered.

    Attributes:
        columns: names, in order.
        types: DuckDB's types of the columns, as `BIGINT` or `MAP(VARCHAR, DOUBLE)`.
        rows: values: None, bool, int, float, str, Decimal, bytes, list, or dict for maps and structs.
            Times are ISO 8601 text, those with a zone in UTC; intervals, and what is infinite or before Christ,
            are text as DuckDB writes it.
        truncated: there were more rows than were asked for.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Collection[tuple[Any, ...]]
    truncated: bool = False


class WiredRows(Collection[tuple[Any, ...]]):
    """Rows in the words of JSON, as they came: read when they are asked for, since values take ten times the memory.

    Args:
        lines: each a JSON object with a list of rows under `rows`.
        count: how many rows these are.
    """

    def __init__(self, lines: Sequence[bytes], count: int) -> None:
        self._lines = lines
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for line in self._lines:
            for row in json.loads(line)["rows"]:
                yield tuple(from_wire(cell) for cell in row)

    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, WiredRows | tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def to_wire(value: object) -> object:
    """A value as DuckDB gives it, in the words of JSON; what JSON has no word for is tagged."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {_TAG: "float", _VALUE: str(value)}
        case Decimal():
            return {_TAG: "decimal", _VALUE: str(value)}
        case datetime() | date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return {_TAG: "bytes", _VALUE: bytes(value).hex()}
        case list() | tuple():
            return [to_wire(item) for item in value]
        case dict():
            return {_TAG: "map", _VALUE: [[to_wire(key), to_wire(item)] for key, item in value.items()]}
    return str(value)


def from_wire(value: object) -> object:
    """The value that `to_wire` put into JSON."""
    match value:
        case {"$": "float", "v": str() as text}:
            return float(text)
        case {"$": "decimal", "v": str() as text}:
            return Decimal(text)
        case {"$": "bytes", "v": str() as text}:
            return bytes.fromhex(text)
        case {"$": "map", "v": list() as pairs}:
            return {_as_key(from_wire(key)): from_wire(item) for key, item in pairs}
        case list():
            return [from_wire(item) for item in value]
    return value


def _as_key(key: object) -> object:
    """A map's key as a dict takes it: lists and structs by their text."""
    return str(key) if isinstance(key, list | dict) else key
