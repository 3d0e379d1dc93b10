"""Where the events of a run go as they become true: record, view, journal, and on to DuckDB."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from pulseq.errors import InfrastructureError, PulseqError
from pulseq.events import AttemptFinished, Event, RunNote
from pulseq.models import AttemptResult, PytestWarning, Status
from pulseq.records import RunRecord
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import JournalWriter

EventSink = Callable[[Event], None]
#: What the driver keeps in memory of an attempt's texts; the journal has them in full.
_KEPT_CHARACTERS = 8_000


#: The most of a run's time that goes into bringing results into DuckDB while tests run.
INGEST_SHARE = 0.02
#: What comes this soon after the last flush to the disk waits for the next: each takes a thread and the file
#: system a millisecond, and what dies with its driver meanwhile was told to nobody but a view.
COMMIT_PAUSE_SECONDS = 0.05
#: To open the database costs what so many bytes of a journal do; fewer wait for the end of the run.
_WORTH_BYTES = 1024 * 1024


class EventLog:
    """One stream of events; the journal has them on disk before anything is built on them.

    Args:
        sinks: views that see each event at once.
        on_failure: called with the error when the journal can no longer be written (a full disk).
    """

    def __init__(self, journal: Path, sinks: list[EventSink], on_failure: Callable[[PulseqError], None]) -> None:
        self.record = RunRecord()
        self._path = journal
        self._writer = JournalWriter(journal)
        self._sinks = sinks
        self._on_failure = on_failure
        self._dirty = asyncio.Event()
        self._failed = False
        #: Bytes of the journal that are in the database: none of a new one; of another it is asked.
        self._ingested = 0
        self._ingesting: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        #: Many tests tell the same warnings: the record has each once.
        self._warnings: dict[PytestWarning, PytestWarning] = {}

    def emit(self, event: Event) -> None:
        """Take an event in; it is on disk after the next `commit`."""
        self._writer.append(event)
        slim = self._slim(event)
        self.record.apply(slim)
        for sink in self._sinks:
            sink(slim)
        self._dirty.set()

    @property
    def in_database(self) -> bool:
        """Whether something of this run has been brought into DuckDB."""
        return self._ingested > 0 or self._ingesting is not None

    def show_to(self, sink: EventSink) -> None:
        """Let one more view see each event from here on."""
        self._sinks = [*self._sinks, sink]

    async def commit(self) -> None:
        """Put all events so far on disk."""
        self._dirty.clear()
        try:
            await asyncio.to_thread(self._writer.commit)
        except InfrastructureError as error:
            self._fail(error)

    def commit_here(self) -> None:
        """As `commit`, without a thread, while everybody waits."""
        try:
            self._writer.commit()
        except InfrastructureError as error:
            self._fail(error)

    def _fail(self, error: InfrastructureError) -> None:
        if not self._failed:
            self._failed = True
            self._on_failure(error)

    async def keep_committing(self) -> None:
        """Write whatever comes, at once after a pause, else in groups; until cancelled."""
        while True:
            await self._dirty.wait()
            await self.commit()
            await asyncio.sleep(COMMIT_PAUSE_SECONDS)

    async def keep_ingesting(self, database: Path, interval_seconds: float) -> None:
        """Bring results into DuckDB every `interval_seconds`, less often where that takes long; until cancelled."""
        pause = interval_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause)
            self._hurry.clear()
            began, pause = time.monotonic(), interval_seconds
            with contextlib.suppress(PulseqError):  # told about once, by the last one
                await self.ingest(database)
                # The tests need the processors more: whoever asks in between sees results that are a little older.
                pause = max(interval_seconds, (time.monotonic() - began) / INGEST_SHARE)

    def tests_are_over(self, *, waits: bool = False) -> None:
        """Use the processors that nobody needs any more, while the run ends.

        Args:
            waits: the run waits for somebody else then, so that what is done meanwhile costs no time at all.
        """
        if waits or self._path.stat().st_size - self._ingested >= _WORTH_BYTES:
            self._hurry.set()

    async def ingest(self, database: Path) -> None:
        """Bring what the journal holds into DuckDB, after what is on its way there already.

        Raises:
            PulseqError: the file is locked, damaged, or of a newer schema; the journal has everything.
        """
        if self._ingesting is not None:
            await asyncio.wait({self._ingesting})
        self._ingesting = asyncio.create_task(self._ingest(database))
        # Its thread cannot be cancelled: the next one would meet it at the database.
        await asyncio.shield(self._ingesting)

    async def _ingest(self, database: Path) -> None:
        await self.commit()
        report = await asyncio.to_thread(ingest, self._path, Database(database), known_offset=self._ingested)
        self._ingested = report.end_offset
        if report.set_aside is not None:
            self.emit(
                RunNote(
                    f"the database was damaged and is now {report.set_aside.name}; "
                    "`pulseq results sync` brings earlier runs back"
                )
            )

    def close(self) -> None:
        self._writer.close()

    def _slim(self, event: Event) -> Event:
        if not isinstance(event, AttemptFinished):
            return event
        result = event.result
        if result.pytest_warnings or result.properties:
            known = tuple(self._warnings.setdefault(warning, warning) for warning in result.pytest_warnings)
            result = replace(result, pytest_warnings=known, properties=())
        if len(result.output) + len(result.error or "") > 0:
            result = _slim_result(result)
        return event if result is event.result else AttemptFinished(result)


def _slim_result(result: AttemptResult) -> AttemptResult:
    if result.status in (Status.PASSED, Status.SKIPPED):
        return replace(result, output="")
    error = result.error[-_KEPT_CHARACTERS:] if result.error else result.error
    return replace(result, output=result.output[-_KEPT_CHARACTERS:], error=error)
