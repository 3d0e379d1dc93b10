"""Journals made-up results and takes them into DuckDB while they come, as a run does; prints its times."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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


class Background:
    """Does one thing at a time in a thread of its own, as a run's driver does; nudged while busy, it just goes on."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._doing: Future[object] | None = None

    def nudge(self) -> None:
        """Begin, unless it is at it."""
        if self._doing is None or self._doing.done():
            self.wait()
            self._doing = self._thread.submit(self._work)

    def wait(self) -> None:
        """Until it has done what it was asked for; its error is raised here."""
        if self._doing is not None:
            self._doing.result()


def measure(count: int, directory: Path) -> dict[str, Any]:
    """Seconds until all is in the database, of these until all was in the journal; peaks of memory.

    `early_mb` is the peak when a quarter of the events was journalled.
    """
    journal, database = journal_path(directory, "made-up"), Database(directory / "results.duckdb")
    early_peak, known = 0.0, 0

    def take_in() -> None:
        nonlocal known
        known = ingest(journal, database, known_offset=known).end_offset

    began = time.perf_counter()
    with JournalWriter(journal) as writer:
        committing, ingesting = Background(writer.commit), Background(take_in)
        for number, event in enumerate(all_events(count), start=1):
            writer.append(event)
            if number % _COMMIT_EVERY == 0:
                committing.nudge()
            if number % _INGEST_EVERY == 0:
                ingesting.nudge()
            if number == count:
                early_peak = peak_mb()
        committing.wait()
        writer.commit()
        journalled = time.perf_counter() - began
        ingesting.wait()
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
