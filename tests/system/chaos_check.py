"""What must hold of every run, whatever died in it; the promises of which a chaos test is the proof."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import httpx

from pulseq.events import AttemptFinished, AttemptStarted, TestClosed, TestExpanded, TestPlanned
from pulseq.results.database import Database
from pulseq.results.journal import read_journal
from pulseq.results.sync import sync
from tests.system.workplace import PATIENCE_SECONDS, Workplace

FINAL_STATES = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
#: Everything that a run leaves in the database, but for when it was taken in.
VIEWS = {
    "results": "test_id, variant, status, reason, flaky, attempts, node_id, error, duration",
    "attempts": "test_id, variant, attempt, node_id, status, reason, exit_code, signal, duration",
}


def find_broken_promises(workplace: Workplace, run_id: str, api: str) -> list[str]:
    """Each promise that a run has not kept, in words; none where all is well.

    The run has ended; `api` is the Prefect API that it used, which may still be recording.
    """
    return [*find_broken_in_files(workplace, run_id), *_broken_at_prefect(workplace, run_id, api)]


def find_broken_in_files(workplace: Workplace, run_id: str) -> list[str]:
    """The same without what its Prefect API knows, which may have ended with the run."""
    journal = workplace.home / "runs" / run_id / "journal.jsonl"
    return [
        *_broken_in_journal(journal),
        *_broken_in_database(workplace, run_id),
        *_broken_on_machine(workplace),
    ]


def _broken_in_journal(journal: Path) -> list[str]:
    events = [entry.event for entry in read_journal(journal)]
    expanded = {(event.test_id, event.variant) for event in events if isinstance(event, TestExpanded)}
    planned = Counter((e.test_id, e.variant) for e in events if isinstance(e, TestPlanned)) - Counter(expanded)
    closed = Counter((e.test_id, e.variant) for e in events if isinstance(e, TestClosed))
    starts = Counter((e.test_id, e.variant, e.attempt) for e in events if isinstance(e, AttemptStarted))
    passed = [e.result for e in events if isinstance(e, AttemptFinished) and e.result.status == "passed"]
    return [
        *(f"{key} was planned and has no verdict" for key in planned - closed),
        *(f"{key} has a verdict too many" for key in closed - planned),
        *(f"attempt {key} was started {count} times" for key, count in starts.items() if count > 1),
        *(f"{result.test_id} passed with exit code {result.exit_code}" for result in passed if result.exit_code),
        *(f"{result.test_id} passed with signal {result.signal}" for result in passed if result.signal),
    ]


def _broken_in_database(workplace: Workplace, run_id: str) -> list[str]:
    rebuilt = workplace.path / "rebuilt.duckdb"
    sync(workplace.home, Database(rebuilt))
    return [
        f"the rows of {view} are not those that the journal tells"
        for view, columns in VIEWS.items()
        if _rows(workplace.database, view, columns, run_id) != _rows(rebuilt, view, columns, run_id)
    ]


def _rows(database: Path, view: str, columns: str, run_id: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        query = f"select {columns} from {view} where run_id = ? order by all"
        return connection.execute(query, [run_id]).fetchall()


def _broken_on_machine(workplace: Workplace) -> list[str]:
    temporary = Path(workplace.environment["TMPDIR"])
    return [
        *(f"process {process.pid} lives" for process in workplace.processes()),
        *(f"{path} is left" for path in temporary.glob("pulseq-*")),
    ]


def _broken_at_prefect(workplace: Workplace, run_id: str, api: str) -> list[str]:
    with duckdb.connect(str(workplace.database), read_only=True) as connection:
        row = connection.execute("select flow_run_id from runs where run_id = ?", [run_id]).fetchone()
    if row is None or row[0] is None:
        return ["the database knows no flow run"]
    end = time.monotonic() + PATIENCE_SECONDS
    while (open_runs := _open_task_runs(api, row[0])) and time.monotonic() < end:
        time.sleep(0.2)
    return [f"task run {name} is {state} for ever" for name, state in open_runs]


def _open_task_runs(api: str, flow_run_id: str) -> list[tuple[str, str]]:
    query = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 200}
    found = httpx.post(f"{api}/task_runs/filter", json=query).raise_for_status().json()
    return [(one["name"], one["state_type"]) for one in found if one["state_type"] not in FINAL_STATES]
