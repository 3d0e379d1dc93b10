"""`pulseq sql`: questions to the results, answered by a process that can do no harm."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pulseq.cli.common_options import database_path
from pulseq.errors import PulseqError, UsageError
from pulseq.ownership import default_home
from pulseq.results.formats import format_csv, format_json
from pulseq.results.table import Table
from pulseq.results.text_table import format_table


def sql(
    query: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    output_format: Annotated[Literal["table", "json", "csv"], Parameter(name="--format")] = "table",
    raw: bool = False,
    db: Path | None = None,
    timeout: float = 60.0,
) -> int:
    """Ask the results in SQL: read-only, also while runs write.

    Views: results, metrics, run_summary, node_summary, metric_summary, flaky_tests, slowest_tests, lineages,
    properties, pytest_warnings.
    Tables: runs, tests, attempts, verdicts, artifacts, nodes, node_health, node_marks.
    `pulseq sql "describe results"` tells the columns.

    Args:
        query: One SQL query; DuckDB's dialect, so `from results` is one. `-` reads it from standard input.
        output_format: How the answer is written; on a terminal control characters are escapes, too wide rows blocks.
        raw: In CSV, leave text that a spreadsheet would take for a formula as it is, without an apostrophe before it.
        db: The DuckDB file; by default `results.duckdb` in the state directory.
        timeout: Seconds after which the query is ended.
    """
    if not (math.isfinite(timeout) and timeout > 0):
        raise UsageError(f"--timeout: found {timeout:g}, expected seconds above 0")
    from pulseq.results.database import Database  # brings DuckDB, which `--help` need not wait for
    from pulseq.results.found_run import PATIENCE_SECONDS, say_missing
    from pulseq.results.sandbox import run_sql

    text = sys.stdin.read() if query == "-" else query
    path = database_path(db)
    table = run_sql(path, text, timeout_seconds=timeout)
    sys.stdout.writelines(_write(table, output_format, raw=raw))
    sys.stdout.flush()
    with contextlib.suppress(PulseqError):  # the answer stands
        if missing := say_missing(default_home(), Database(path, patience_seconds=PATIENCE_SECONDS)):
            print(f"note: {missing}", file=sys.stderr)
    return 0


def _write(table: Table, output_format: str, *, raw: bool) -> Iterator[str]:
    match output_format:
        case "json":
            return format_json(table)
        case "csv":
            return format_csv(table, raw=raw, for_terminal=sys.stdout.isatty())
    return format_table(table, width=shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
