"""Journals made-up results and takes them into DuckDB while they come, as a run does; prints its times."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pulseq.events import AttemptFinished, AttemptStarted, Event, RunFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import JournalWriter, journal_path
from tests.benchmarks.children.made_up import MadeUp, make_results

#: Events between two flushes to the disk, and between two visits to the database.
_COMMIT_EVERY = 1_000
_INGEST_EVERY = 200_000


def events_of(told: MadeUp) -> Iterator[Event]:
    """All that a run says of one test."""
    status, reason = Status(told.status), Reason(told.reason) if told.reason else None
    yield TestPlanned(told.test_id, "", told.name, "pytest", "medium", None, None, {})
    yield AttemptStarted(told.test_id, "", 1, told.node_id, told.task_run)
    yield AttemptFinished(
        AttemptResult(
            told.test_id,
            1,
            told.node_id,
            status,
            reason=reason,
            started_at=told.started_at,
            duration=told.duration,
            error=told.error,
            metrics=told.metrics,
        )
    )
    yield TestClosed(told.test_id, "", status, reason, False, 1, told.node_id, told.error)


def all_events(count: int) -> Iterator[Event]:
    """The events of a run of `count` tests."""
    yield RunStarted("made-up", "benchmark", 1.8e9, "0")
    for told in make_results(count):
        yield from events_of(told)
    yield RunFinished(1.8e9, 1.0, 0, "passed")


def peak_mb() -> float:
    """The largest resident set so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def measure(count: int, directory: Path) -> dict[str, Any]:
    """Seconds for all, of these for journalling; peaks of memory after a tenth and at the end."""
    journal, database = journal_path(directory, "made-up"), Database(directory / "results.duckdb")
    journalling, early_peak = 0.0, 0.0
    began = mark = time.perf_counter()
    with JournalWriter(journal) as writer:
        for number, event in enumerate(all_events(count), start=1):
            writer.append(event)
            if number % _COMMIT_EVERY == 0:
                writer.commit()
            if number % _INGEST_EVERY == 0:
                journalling += time.perf_counter() - mark
                ingest(journal, database)
                early_peak = early_peak or peak_mb()
                mark = time.perf_counter()
        writer.commit()
        journalling += time.perf_counter() - mark
        ingest(journal, database)
    seconds = time.perf_counter() - began
    with database.read() as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM results").fetchall()
    if rows != count:
        raise RuntimeError(f"found {rows} results in the database, expected {count}")
    peaks = {"early_mb": early_peak, "peak_mb": peak_mb()}
    return {"seconds": seconds, "journal_seconds": journalling, "journal_mb": journal.stat().st_size / 1e6, **peaks}


if __name__ == "__main__":
    configuration = json.loads(sys.argv[1])
    print(json.dumps(measure(configuration["count"], Path(configuration["directory"]))))
