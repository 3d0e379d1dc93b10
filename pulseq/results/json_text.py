"""Values as JSON text whatever they are: for what the quick encoder of a journal's lines cannot judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import PurePath

from msgspec import Struct
from msgspec.structs import asdict


def general_text(value: object) -> str:
    """Any value as compact JSON in pure ASCII.

    Raises:
        TypeError: JSON has no word for a part of it.
        ValueError: a number in it is not finite.
    """
    return _GENERAL.encode(value)


def number(value: float) -> str:
    """A number as JSON, to be read back as the very same.

    Raises:
        ValueError: it is not finite.
        OverflowError: it is an integer past what a float can hold.
    """
    if not isfinite(value):
        raise ValueError(f"found {value}, expected a finite number")
    return repr(value if type(value) is float else float(value))


def _plain(value: object) -> object:
    """What stands in JSON for a value that JSON has no word for."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Struct):
        return asdict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a journal cannot hold {value!r}, a {type(value).__name__}")


_GENERAL = json.JSONEncoder(allow_nan=False, separators=(",", ":"), default=_plain)
