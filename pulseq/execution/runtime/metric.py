"""Metrics that a body reports: a line of JSON each in the file named by `PULSEQ_METRICS`.

Also how `import pulseq` finds `pulseq.metric` in an interpreter that has no PulseQ.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import sys
import types
from typing import Any, Dict, List, Optional, Sequence, SupportsFloat, Tuple

VARIABLE = "PULSEQ_METRICS"
#: No more than this is read of what a body reported.
LONGEST_FILE = 1024 * 1024
_MOST_WARNINGS = 10


def metric(name: str, value: SupportsFloat) -> None:
    """Report a number of the running test, under a name; the last value of a name counts.

    Outside of a PulseQ run the arguments are checked and nothing else happens.

    Args:
        name: what is measured, such as `"queries"`. `duration`, `response_time`, `memory_usage` and `cpu_usage` are
            measured already: a value under one of them is not taken, and told as a warning on the result.
        value: a finite number of any type that `float` takes, but no text and no bool.

    Raises:
        TypeError: when the name is no text, or the value no number.
        ValueError: when the value is infinite, not a number (NaN), or the name is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"a metric's name is a str, found {type(name).__name__}: {name!r}")
    if not name:
        raise ValueError("a metric's name is not empty")
    number = _finite(name, value)
    path = os.environ.get(VARIABLE)
    if path:
        line = json.dumps({name: number}).encode("ascii") + b"\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def _finite(name: str, value: Any) -> float:
    if isinstance(value, (bool, str, bytes, bytearray)) or not (
        hasattr(value, "__float__") or hasattr(value, "__index__")
    ):
        raise TypeError(f"metric {name!r} is a number, found {type(value).__name__}: {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"metric {name!r} is a finite number, found {value!r}")
    return number


def parse_metrics(data: bytes) -> Tuple[Dict[str, float], List[str]]:
    """Read what a body appended to its file: the metrics, and warnings on what is none.

    A line is an object of names and finite numbers; empty lines are nothing.
    """
    metrics: Dict[str, float] = {}
    warnings: List[str] = []
    if len(data) > LONGEST_FILE:
        warnings.append(f"more than {LONGEST_FILE} bytes of metrics were reported; the rest was not read")
        data = data[:LONGEST_FILE].rpartition(b"\n")[0]
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            warnings.extend(f"metrics, line {number}: {problem}" for problem in _take_line(line, metrics))
    if len(warnings) > _MOST_WARNINGS:
        warnings[_MOST_WARNINGS:] = [f"... and {len(warnings) - _MOST_WARNINGS} more warnings about metrics"]
    return metrics, warnings


def _take_line(line: bytes, metrics: Dict[str, float]) -> List[str]:
    """Add the metrics of one line; the problems it has."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return [f"expected a JSON object, found {_shown(line.decode('utf-8', 'replace'))}"]
    if not isinstance(found, dict):
        return [f"expected a JSON object, found {_shown(found)}"]
    problems: List[str] = []
    for name, value in found.items():
        if not name:
            problems.append(f"the name of {_shown(value)} is empty")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
            problems.append(f"{_shown(name)} is not a finite number: {_shown(value)}")
        else:
            metrics[name] = float(value)
    return problems


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


class _StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves a module `pulseq` with `metric` alone."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        return importlib.util.spec_from_loader(fullname, self) if fullname == "pulseq" else None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__doc__ = "What of PulseQ is there inside a test that it runs."
        module.metric = metric  # type: ignore[attr-defined]
        module.__all__ = ["metric"]  # type: ignore[attr-defined]


def install_stand_in() -> None:
    """Let `import pulseq` work in this interpreter; one that is really installed wins."""
    if not any(isinstance(finder, _StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(_StandInFinder())
