"""The table for people and the JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from tests.benchmarks.environments import Environments
from tests.benchmarks.row import Outcome

#: What a figure depends on most.
PACKAGES = ("pulseq", "prefect", "prefect-dask", "dask", "distributed", "duckdb", "pytest", "fastapi", "pydantic")
FOREIGN = ("pytest", "pytest-xdist", "networkx", "pandas", "statsmodels", "numpy", "scipy", "pyarrow", "duckdb")
_HEAD = ("row", "ours", "theirs", "ratio", "goal", "reached")


def describe_machine(load_before: float) -> dict[str, Any]:
    """Where it was measured; `load_before` is the load average of a minute before the first row."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
    }


def describe_versions(environments: Environments) -> dict[str, dict[str, str]]:
    """Versions here, and in each environment that was made for the others."""
    versions = {"here": {name: metadata.version(name) for name in PACKAGES}}
    for name in environments.made():
        installed = environments.versions(name)
        versions[name] = {package: installed[package] for package in FOREIGN if package in installed}
    return versions


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """A row as JSON has it."""
    row = outcome.row
    return {
        "name": row.name,
        "work": row.work,
        "against": row.against,
        "unit": row.unit,
        "ours": {"way": outcome.ours[0], "median": outcome.ours[1], "samples": dict(outcome.samples.ours)},
        "theirs": {"way": outcome.theirs[0], "median": outcome.theirs[1], "samples": dict(outcome.samples.theirs)},
        "ratio": {"is": row.compare.value, "value": outcome.ratio},
        "goal": str(row.goal) if row.goal else None,
        "reached": outcome.reached,
        "notes": list(outcome.samples.notes),
    }


def render_table(outcomes: Sequence[Outcome]) -> str:
    """The table as Markdown, then what each row compares and its notes."""
    rows = [_HEAD, *(_cells(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, "", *(line for outcome in outcomes for line in _explain(outcome))])


def _cells(outcome: Outcome) -> tuple[str, ...]:
    unit = outcome.row.unit
    goal = str(outcome.row.goal) if outcome.row.goal else "–"
    reached = {True: "yes", False: "no", None: "–"}[outcome.reached]
    return (
        outcome.row.name,
        f"{_number(outcome.ours[1])} {unit}",
        f"{_number(outcome.theirs[1])} {unit}",
        f"{outcome.ratio:.2f}",
        goal,
        reached,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _explain(outcome: Outcome) -> list[str]:
    ways = [f"{outcome.ours[0]} against {outcome.theirs[0]}"] if _has_ways(outcome) else []
    notes = "; ".join([*ways, *(note for note in outcome.samples.notes if note)])
    row = outcome.row
    told = f"{row.name}: {row.work}; against {row.against} ({row.compare.value})"
    return [f"{told}; {notes}" if notes else told]


def _has_ways(outcome: Outcome) -> bool:
    return len(outcome.samples.ours) + len(outcome.samples.theirs) > 2
