"""A million results on their way into DuckDB, by way of the journal."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import children
from tests.benchmarks.bench import Bench, run_child, run_command
from tests.benchmarks.row import Measured, Row, Samples, at_most

NAME = "ingest"
ROWS = (Row(NAME, "1,000,000 results, journal included", "raw Arrow insert of the same rows", "s", at_most(2.0)),)
_SCRIPT = Path(next(iter(children.__path__))) / "insert_arrow.py"


def measure(bench: Bench) -> Measured:
    """The row: both sides start from the same values in Python."""
    count = bench.size(1_000_000, 100_000)
    python = bench.environments.python("arrow", (f"duckdb=={metadata.version('duckdb')}", "pyarrow"))
    ours, theirs = bench.interleave(lambda: _ours(bench, count), lambda: _theirs(bench, python, count))
    inserting = median(run["insert_seconds"] for run in theirs)
    last = ours[-1]
    notes = (
        f"{count:,} results",
        f"ours: {last['journal_seconds']:.1f} s of it until {last['journal_mb']:.0f} MB of journal were written, "
        f"memory at most {last['early_mb']:.0f} MB by the first quarter of it and {last['peak_mb']:.0f} MB at the end; "
        f"{last['cpu_seconds']:.1f} s of processor time, start included",
        f"theirs: {inserting:.2f} s of it for the insert alone, the rest makes Arrow of Python's values",
    )
    return {
        NAME: Samples(
            {"journal": [run["seconds"] for run in ours]}, {"arrow": [run["seconds"] for run in theirs]}, notes
        )
    }


def _ours(bench: Bench, count: int) -> dict[str, Any]:
    told: dict[str, Any] = run_child("ingest_results", {"count": count, "directory": str(bench.directory(NAME))})
    return told


def _theirs(bench: Bench, python: Path, count: int) -> dict[str, Any]:
    directory = bench.directory(f"{NAME}-arrow")
    configuration = json.dumps({"count": count, "path": str(directory / "raw.duckdb")})
    told: dict[str, Any] = json.loads(run_command([str(python), str(_SCRIPT), configuration], cwd=directory).stdout)
    return told
