"""Results that are added by hand, kept for later: a run of their own, in a journal and in the database."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from pathlib import Path

from pulseq import __version__
from pulseq.bounds import bound_id, bound_whole
from pulseq.errors import ExitCode, PulseqError
from pulseq.events import AttemptFinished, RunFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.results.added_results import AddedResult
from pulseq.results.bounded_result import bound_result
from pulseq.results.database import DATABASE_NAME, Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import JournalWriter, journal_path
from pulseq.run.run_options import new_run_id
from pulseq.run.state_directory import prepare_home

SUITE = "added results"
#: Results between two commits, at most.
COMMIT_EVERY = 1_000


class AddedJournal:
    """The journal of results that were run elsewhere; made with the first of them.

    A result of a test that has one already counts as a further attempt of it.

    Args:
        home: the state directory.
        interval_seconds: how often what was added goes to the disk and into the database, at least.
    """

    def __init__(self, home: Path, interval_seconds: float) -> None:
        self.run_id = new_run_id()
        self._home = home
        self._interval_seconds = interval_seconds
        self._writer: JournalWriter | None = None
        self._attempts: Counter[str] = Counter()
        self._waiting = 0
        self._started = self._last = time.monotonic()
        self._lock = threading.Lock()

    def add(self, result: AddedResult) -> None:
        """Keep one result.

        Raises:
            UsageError: the state directory cannot be written.
            InfrastructureError: the disk is full, or the state directory was removed.
        """
        with self._lock:
            writer = self._writer or self._begin()
            test_id = bound_id(result.test_id)
            self._attempts[test_id] += 1
            attempt = self._attempts[test_id]
            if attempt == 1:
                whole = None if test_id == result.test_id else bound_whole(result.test_id)
                name = bound_id(result.name or test_id)
                writer.append(TestPlanned(test_id, "", name, "added", "medium", whole_id=whole))
            kept = bound_result(_to_attempt(test_id, result, attempt))
            writer.append(AttemptFinished(kept))
            writer.append(
                TestClosed(kept.test_id, "", kept.status, kept.reason, result.flaky, attempt, kept.node_id, kept.error)
            )
            self._waiting += 1
            late = time.monotonic() - self._last >= self._interval_seconds
            if late or self._waiting >= COMMIT_EVERY:
                writer.commit()
                writer.check_place()
                self._waiting = 0
            if late:
                with contextlib.suppress(PulseqError):  # the journal has them; the last one tells
                    self._ingest()

    def close(self) -> None:
        """End the journal and put it into the database; closing twice does no harm.

        Raises:
            PulseqError: the database is locked, damaged or of a newer schema; the journal has everything.
        """
        with self._lock:
            if self._writer is None:
                return
            seconds = time.monotonic() - self._started
            self._writer.append(RunFinished(time.time(), seconds, int(ExitCode.OK), "added"))
            self._writer.close()
            self._writer = None
            self._ingest()

    def _begin(self) -> JournalWriter:
        prepare_home(self._home, "runs", self.run_id)
        self._writer = JournalWriter(journal_path(self._home, self.run_id))
        self._writer.append(RunStarted(self.run_id, SUITE, time.time(), __version__))
        return self._writer

    def _ingest(self) -> None:
        self._last = time.monotonic()
        ingest(journal_path(self._home, self.run_id), Database(self._home / DATABASE_NAME))


def _to_attempt(test_id: str, result: AddedResult, attempt: int) -> AttemptResult:
    return AttemptResult(
        test_id,
        attempt,
        result.node_id,
        Status(result.status),
        reason=None if result.reason is None else Reason(result.reason),
        started_at=result.microseconds / 1e6,
        duration=result.duration,
        error=result.error,
        metrics=result.metrics,
        simulated=result.simulated,
        warnings=result.warnings,
    )
