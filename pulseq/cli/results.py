"""`pulseq results`: the journals and the database that is built from them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cyclopts import App

from pulseq.cli.common_options import database_path
from pulseq.errors import ExitCode
from pulseq.ownership import default_home
from pulseq.reports.wording import say_count

app = App(name="results", help="Journals and the database that is built from them.")


@app.command
def sync(
    *,
    db: Path | None = None,
    rebuild: bool = False,
    prefect: bool = False,
) -> int:
    """Bring every journal of the state directory into DuckDB, and mend there what differs from them.

    Rows that somebody has changed are taken in again; a missing or damaged database is made anew.

    Args:
        db: The DuckDB file; by default `results.duckdb` in the state directory.
        rebuild: Begin with an empty database. The old file stays beside it where it has runs without a journal.
        prefect: Also tell Prefect how runs and their tests ended, where it missed that.
    """
    from pulseq.results.database import Database  # brings DuckDB, which `--help` need not wait for
    from pulseq.results.health_journal import ingest_health
    from pulseq.results.sync import sync as sync_results
    from pulseq.results.sync import tell_findings

    path = database_path(db)
    report = sync_results(default_home(), Database(path), rebuild=rebuild)
    ingest_health(default_home(), Database(path))
    for line in tell_findings(report):
        print(line, file=sys.stderr)
    told = f"{say_count(len(report.runs), 'run')}, {say_count(report.entries, 'new event')}"
    print(f"{told}: {path}", file=sys.stderr)
    if prefect:
        _sync_prefect()
    return int(ExitCode.USAGE_ERROR) if report.troubles else 0


def _sync_prefect() -> None:
    from pulseq.orchestration.reconcile import sync_prefect
    from pulseq.standing.known_api import known_api

    home = default_home()
    api = known_api(home)
    told = asyncio.run(sync_prefect(home, api.url, api.auth))
    ended = f"{say_count(told.flow_runs, 'flow run')} and {say_count(told.task_runs, 'task run')} ended"
    line = f"Prefect: {say_count(told.runs, 'run')} compared, {ended}"
    if told.unknown:
        line += f"; {told.unknown} flow runs are unknown to it"
    if told.going_on:
        line += f"; {told.going_on} runs that go on were left alone"
    print(line, file=sys.stderr)
