"""What is kept of what an attempt says: nobody but the test decides how much that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pulseq.bounds import (
    MOST_ERROR_CHARACTERS,
    MOST_ID_CHARACTERS,
    MOST_METRIC,
    MOST_METRICS,
    MOST_SECONDS,
    MOST_WARNING_CHARACTERS,
    MOST_WARNINGS,
    bound_text,
)
from pulseq.models import AttemptResult

#: Of the head and the tail of what a body wrote each has 64 kB, and a line between them says what is left out.
MOST_OUTPUT_CHARACTERS = 160_000


_SHOWN = 3
#: What is longer is cut.
_TEXTS = {
    "error": MOST_ERROR_CHARACTERS,
    "output": MOST_OUTPUT_CHARACTERS,
    "xpassed": MOST_WARNING_CHARACTERS,
    "short": MOST_WARNING_CHARACTERS,
}


def bound_result(result: AttemptResult) -> AttemptResult:
    """A result with texts, seconds, warnings and metrics of a bearable size: itself, where it has no others."""
    changes: dict[str, Any] = {
        name: bound_text(text, most) for name, most in _TEXTS.items() if len(text := getattr(result, name) or "") > most
    }
    for name in ("duration", "queue_seconds"):
        if getattr(result, name) > MOST_SECONDS:
            changes[name] = MOST_SECONDS
    usable = _usable_metrics(result.metrics)
    metrics, warnings = _bound_metrics(usable), _bound_warnings(result.warnings)
    if unusable := [name for name in result.metrics if name not in usable]:
        told = ", ".join(f"{name[:MOST_ID_CHARACTERS]!r} ({result.metrics[name]!r:.20})" for name in unusable[:_SHOWN])
        more = ", …" if len(unusable) > _SHOWN else ""
        changes["metrics"] = metrics
        warnings = (*warnings, f"metrics left out, expected numbers up to {MOST_METRIC:g}: {told}{more}")
    if left_out := len(usable) - len(metrics):
        most = f"at most {MOST_METRICS} are kept, with names of {MOST_ID_CHARACTERS} characters"
        changes["metrics"] = metrics
        warnings = (*warnings, f"{left_out} metrics left out: {most}")
    if warnings is not result.warnings:
        changes["warnings"] = warnings
    return replace(result, **changes) if changes else result


def _usable_metrics(metrics: Mapping[str, float]) -> Mapping[str, float]:
    if all(-MOST_METRIC <= value <= MOST_METRIC for value in metrics.values()):
        return metrics
    return {name: value for name, value in metrics.items() if -MOST_METRIC <= value <= MOST_METRIC}


def _bound_metrics(metrics: Mapping[str, float]) -> Mapping[str, float]:
    if len(metrics) <= MOST_METRICS and all(len(name) <= MOST_ID_CHARACTERS for name in metrics):
        return metrics
    kept = [(name, value) for name, value in metrics.items() if len(name) <= MOST_ID_CHARACTERS]
    return dict(kept[:MOST_METRICS])


def _bound_warnings(warnings: tuple[str, ...]) -> tuple[str, ...]:
    if len(warnings) <= MOST_WARNINGS and all(len(warning) <= MOST_WARNING_CHARACTERS for warning in warnings):
        return warnings
    kept = tuple(bound_text(warning, MOST_WARNING_CHARACTERS) for warning in warnings[:MOST_WARNINGS])
    more = len(warnings) - len(kept)
    return (*kept, f"{more} more warnings left out") if more else kept
