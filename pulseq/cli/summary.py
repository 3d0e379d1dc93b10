"""`pulseq summary`: a stored run, told as at its end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pulseq.artifacts import ARTIFACTS_FOLDER
from pulseq.cli.common_options import Output, Verbose, database_path
from pulseq.cli.flow_run_link import without_dead_link
from pulseq.errors import UsageError
from pulseq.ownership import default_home
from pulseq.reports.json_output import describe_run
from pulseq.reports.summary import find_untold, print_summary, render_summary


def summary(
    run_id: str | None = None,
    /,
    *,
    db: Path | None = None,
    durations: int = 5,
    output: Output = "text",
    verbose: Verbose = False,
) -> int:
    """Tell what a run came to: failures, flaky and slow tests, what each node did.

    Args:
        run_id: The run; by default the last one.
        db: The DuckDB file; by default `results.duckdb` in the state directory.
        durations: How many of the slowest tests are told; 0 for all.
        output: `json` for the object that `pulseq run --output json` gives.
        verbose: More of each failure.
    """
    if durations < 0:
        raise UsageError(f"--durations: found {durations}, expected a number of at least 0")
    from pulseq.results.database import Database  # brings DuckDB, which `--help` need not wait for
    from pulseq.results.found_run import PATIENCE_SECONDS, find_run

    path = database_path(db)
    found = find_run(default_home(), Database(path, patience_seconds=PATIENCE_SECONDS), run_id)
    record, verbosity = found.record, 1 if verbose else 0
    locations = {"database": str(path)}
    artifacts = default_home() / "runs" / record.started.run_id / ARTIFACTS_FOLDER if record.started else None
    if record.artifacts and artifacts is not None and artifacts.is_dir():
        locations["artifacts"] = str(artifacts)
    if output == "json":
        print(json.dumps(describe_run(record, locations)))
        _say(found.note)
        return 0
    found.fill(find_untold(record, verbosity=verbosity))
    told = render_summary(
        without_dead_link(record),
        durations=durations or sys.maxsize,
        verbosity=verbosity,
        locations=locations,
    )
    print_summary(told)
    _say(found.note)
    return 0


def _say(note: str) -> None:
    if note:
        print(f"note: {note}", file=sys.stderr)
