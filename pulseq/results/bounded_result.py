"""What is kept of what an attempt says: nobody but the test decides how much that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pulseq.bounds import (
    MOST_ERROR_CHARACTERS,
    MOST_ID_CHARACTERS,
    MOST_METRICS,
    MOST_SECONDS,
    MOST_WARNING_CHARACTERS,
    MOST_WARNINGS,
    bound_text,
)
from pulseq.models import AttemptResult

#: Of the head and the tail of what a body wrote each has 64 kB, and a line between them says what is left out.
MOST_OUTPUT_CHARACTERS = 160_000


def bound_result(result: AttemptResult) -> AttemptResult:
    """A result with texts, seconds, warnings and metrics of a bearable size: itself, where it has no others."""
    changes: dict[str, Any] = {
        **_bound_texts(result),
        **_bound_seconds(result),
        **_bound_metrics(result.metrics),
        **_bound_warnings(result.warnings),
    }
    if not changes:
        return result
    left_out = len(result.metrics) - len(changes.get("metrics", result.metrics))
    if left_out:
        most = f"at most {MOST_METRICS} are kept, with names of {MOST_ID_CHARACTERS} characters"
        told = f"{left_out} metrics left out: {most}"
        changes["warnings"] = (*changes.get("warnings", result.warnings), told)
    return replace(result, **changes)


def _bound_texts(result: AttemptResult) -> dict[str, str]:
    limits = {
        "error": (result.error, MOST_ERROR_CHARACTERS),
        "output": (result.output, MOST_OUTPUT_CHARACTERS),
        "xpassed": (result.xpassed, MOST_WARNING_CHARACTERS),
        "short": (result.short, MOST_WARNING_CHARACTERS),
    }
    return {
        name: bound_text(text, most) for name, (text, most) in limits.items() if text is not None and len(text) > most
    }


def _bound_seconds(result: AttemptResult) -> dict[str, float]:
    seconds = {"duration": result.duration, "queue_seconds": result.queue_seconds}
    return {name: MOST_SECONDS for name, value in seconds.items() if value > MOST_SECONDS}


def _bound_metrics(metrics: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    if len(metrics) <= MOST_METRICS and all(len(name) <= MOST_ID_CHARACTERS for name in metrics):
        return {}
    kept = [(name, value) for name, value in metrics.items() if len(name) <= MOST_ID_CHARACTERS]
    return {"metrics": dict(kept[:MOST_METRICS])}


def _bound_warnings(warnings: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    if len(warnings) <= MOST_WARNINGS and all(len(warning) <= MOST_WARNING_CHARACTERS for warning in warnings):
        return {}
    kept = tuple(bound_text(warning, MOST_WARNING_CHARACTERS) for warning in warnings[:MOST_WARNINGS])
    more = len(warnings) - len(kept)
    return {"warnings": (*kept, f"{more} more warnings left out") if more else kept}
