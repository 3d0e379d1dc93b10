"""`pulseq summary`: a stored run, told as at its end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pulseq.cli.flow_run_link import without_dead_link
from pulseq.cli.state import database_path
from pulseq.reports.json_output import describe_run
from pulseq.reports.summary import render_summary
from pulseq.reports.terminal import Terminal


def summary(
    run_id: str | None = None,
    /,
    *,
    db: Path | None = None,
    durations: int = 5,
    output: Literal["text", "json"] = "text",
    verbose: Annotated[bool, Parameter(name=["-v", "--verbose"], negative="")] = False,
) -> int:
    """Tell what a run came to: failures, flaky and slow tests, what each node did.

    Args:
        run_id: The run; by default the last one.
        db: The DuckDB file; by default `results.duckdb` in the state directory.
        durations: How many of the slowest tests are told; 0 for all.
        output: `json` for the object that `pulseq run --output json` gives.
        verbose: More of each failure.
    """
    from pulseq.results.database import Database  # brings DuckDB, which `--help` need not wait for
    from pulseq.results.stored_run import load_run

    path = database_path(db)
    record = load_run(Database(path), run_id)
    locations = {"database": str(path)}
    if output == "json":
        print(json.dumps(describe_run(record, locations)))
        return 0
    told = render_summary(
        without_dead_link(record),
        durations=durations or sys.maxsize,
        verbosity=1 if verbose else 0,
        locations=locations,
    )
    terminal = Terminal()
    if terminal.is_terminal and not os.environ.get("CI"):
        terminal.print(told)
    else:
        sys.stdout.write(told.plain())
    return 0
