"""Journals made-up results and takes them into DuckDB while they come, as a run does; prints its times."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pulseq.events import AttemptFinished, AttemptStarted, Event, RunFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import JournalWriter, journal_path
from pulseq.run.event_log import COMMIT_PAUSE_SECONDS
from tests.benchmarks.children.made_up import MadeUp, make_results

#: Seconds between two visits to the database. A run's are rarer, since its tests want the processors.
_INGEST_PAUSE_SECONDS = 0.5


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


class Background:
    """Does one thing again and again in a thread of its own, with a pause after each time, as a run's driver does."""

    def __init__(self, work: Callable[[], object], pause_seconds: float) -> None:
        self._work, self._pause_seconds = work, pause_seconds
        self._enough = threading.Event()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._doing = self._thread.submit(self._keep_doing)

    def _keep_doing(self) -> None:
        while not self._enough.wait(self._pause_seconds):
            self._work()

    def end(self) -> None:
        """Until it has done what it is at; its error is raised here."""
        self._enough.set()
        self._doing.result()
        self._thread.shutdown()


def measure(count: int, directory: Path) -> dict[str, Any]:
    """Seconds until all is in the database, of these until all was in the journal; peaks of memory.

    `early_mb` is the peak when a quarter of the events was journalled.
    """
    journal, database = journal_path(directory, "made-up"), Database(directory / "results.duckdb")
    early_peak = 0.0

    def take_in() -> None:
        ingest(journal, database)

    began = time.perf_counter()
    with JournalWriter(journal) as writer:
        committing = Background(writer.commit, COMMIT_PAUSE_SECONDS)
        ingesting = Background(take_in, _INGEST_PAUSE_SECONDS)
        for number, event in enumerate(all_events(count), start=1):
            writer.append(event)
            if number == count:
                early_peak = peak_mb()
        committing.end()
        writer.commit()
        journalled = time.perf_counter() - began
        ingesting.end()
        take_in()
    seconds = time.perf_counter() - began
    with database.read() as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM results").fetchall()
    if rows != count:
        raise RuntimeError(f"found {rows} results in the database, expected {count}")
    return {
        "seconds": seconds,
        "journal_seconds": journalled,
        "journal_mb": journal.stat().st_size / 1e6,
        "early_mb": early_peak,
        "peak_mb": peak_mb(),
        "cpu_seconds": time.process_time(),
    }


if __name__ == "__main__":
    configuration = json.loads(sys.argv[1])
    print(json.dumps(measure(configuration["count"], Path(configuration["directory"]))))
