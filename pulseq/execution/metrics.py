"""The metrics of an attempt: what was measured of it, and what its body reported. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def measured_metrics(
    *, duration: float = 0.0, response_time: float | None = None, memory_usage: float = 0.0, cpu_usage: float = 0.0
) -> dict[str, float]:
    """The metrics that every attempt has, in seconds, MB and percent of one core.

    Args:
        response_time: the same as `duration` when None.
    """
    return {
        "duration": duration,
        "response_time": duration if response_time is None else response_time,
        "memory_usage": memory_usage,
        "cpu_usage": cpu_usage,
    }


def join_metrics(
    measured: Mapping[str, float], reported: Mapping[str, float], expected: Iterable[str]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """All metrics, and a warning for each that was reported and cannot be taken, or expected and is not there.

    The names of what is measured are reserved: whoever reads `duration` means that of the attempt.
    """
    metrics = {**reported, **measured}
    taken = [
        f"the metric {name!r} is measured by PulseQ, so the reported {reported[name]:g} was not taken: "
        "report it under another name"
        for name in measured
        if name in reported
    ]
    missing = [f"the metric {name!r} was not reported" for name in expected if name not in metrics]
    return metrics, (*taken, *missing)
