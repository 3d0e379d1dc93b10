"""Seconds as tools write them: `0.12`, `1,234.5`, `0,12`, `00:01:02.5`, `6.2E-5`, `12ms`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001, "msec": 0.001}
_WRITTEN = re.compile(r"\s*([0-9.,:'\u00a0\u202f ]*[0-9.,](?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_CLOCK = re.compile(r"(?:([0-9]+)[.:])?([0-9]+):([0-9]+):([0-9]+(?:[.,][0-9]+)?)")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_SPACES = str.maketrans("", "", "'\u00a0\u202f ")


def read_seconds(times: Sequence[str]) -> list[float]:
    """The times of one file, which all have one language; 0 for what is none, or below 0.

    A comma parts thousands (Surefire) or is a decimal point, by where it stands. Where that leaves both, such as in
    `1,234`, the other times of the file decide, and Surefire's meaning where they leave it open too.
    """
    decimal_comma = any(_has_decimal_comma(time) for time in times)
    return [_seconds(time, decimal_comma=decimal_comma) for time in times]


def _has_decimal_comma(time: str) -> bool:
    whole, comma, fraction = time.strip().rpartition(",")
    if not comma or "." in fraction:
        return False
    return not _THOUSANDS.fullmatch(f"{whole},{fraction}".translate(_SPACES))


def _seconds(time: str, *, decimal_comma: bool) -> float:
    if clock := _CLOCK.fullmatch(time.strip()):
        days, hours, minutes, rest = clock.groups()
        return _finite(
            (int(days or 0) * 24 + int(hours)) * 3600.0 + int(minutes) * 60.0 + float(rest.replace(",", "."))
        )
    found = _WRITTEN.fullmatch(time)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        return 0.0
    try:
        return _finite(float(_with_point(found[1].translate(_SPACES), decimal_comma=decimal_comma)) * unit)
    except ValueError:
        return 0.0


def _with_point(number: str, *, decimal_comma: bool) -> str:
    if "," in number and "." in number:  # the last one is the decimal point
        decimal_comma = number.rfind(",") > number.rfind(".")
    elif "," in number:
        decimal_comma = (decimal_comma and number.count(",") == 1) or not _THOUSANDS.fullmatch(number)
    else:
        decimal_comma = decimal_comma and bool(_THOUSANDS.fullmatch(number.replace(".", ",")))
    return number.replace(".", "").replace(",", ".") if decimal_comma else number.replace(",", "")


def _finite(seconds: float) -> float:
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
