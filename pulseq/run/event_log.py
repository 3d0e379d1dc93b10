"""Where the events of a run go as they become true: record, view, journal, and on to DuckDB."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from pulseq.blotting import blot_texts
from pulseq.errors import InfrastructureError, PulseqError
from pulseq.events import AttemptFinished, Event, RunNote
from pulseq.execution.runtime.blotting import Blotter
from pulseq.models import AttemptResult, PytestWarning, Status
from pulseq.records import RunRecord
from pulseq.results.bounded_result import bound_result
from pulseq.results.database import Database
from pulseq.results.ingest import IngestReport, ingest
from pulseq.results.journal import JournalWriter

logger = logging.getLogger("pulseq.run")

EventSink = Callable[[Event], None]
T = TypeVar("T")
#: What views see of an attempt's texts, and what the driver keeps in memory of those of the first attempts that went
#: wrong; the journal has all of them in full.
_KEPT_CHARACTERS = 8_000
KEPT_TEXTS = 300


#: The most of a run's time that goes into bringing results into DuckDB while tests run.
INGEST_SHARE = 0.02
#: What comes this soon after the last flush to the disk waits for the next: each takes a thread and the file
#: system a millisecond, and what dies with its driver meanwhile was told to nobody but a view.
COMMIT_PAUSE_SECONDS = 0.05
#: How often a run that nothing happens in looks whether its journal is still there.
LOOK_SECONDS = 1.0
#: How long results wait for a database that another process holds.
_PATIENCE_SECONDS = 5.0
#: To open the database costs what so many bytes of a journal do; fewer wait for the end of the run.
_WORTH_BYTES = 1024 * 1024


class EventLog:
    """One stream of events; the journal has them on disk before anything is built on them.

    Args:
        sinks: views that see each event at once.
        on_failure: called once, with the error, when the journal can no longer be written (a full disk) or is gone.
        blotter: blots secrets out of what comes; None where there are none.

    Raises:
        UsageError: the journal cannot be written, or is that of another run.
    """

    def __init__(
        self,
        journal: Path,
        sinks: list[EventSink],
        on_failure: Callable[[PulseqError], None],
        blotter: Blotter | None = None,
    ) -> None:
        self._blotter = blotter
        self.record = RunRecord()
        self._path = journal
        self._writer = JournalWriter(journal, new=True)
        #: Each with what people call it.
        self._sinks = dict.fromkeys(sinks, "what shows this run")
        self._broken: set[EventSink] = set()
        self._on_failure = on_failure
        self._dirty = asyncio.Event()
        #: Held while an event is taken in: the last ones of a run that is left at once come from another thread.
        self._turn = threading.Lock()
        self._sealed = False
        self._failed = False
        self._texts_left = KEPT_TEXTS
        #: Bytes of the journal that are in the database: none of a new one; of another it is asked.
        self._ingested = 0
        self._ingesting: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        #: Many tests tell the same warnings: the record has each once.
        self._warnings: dict[PytestWarning, PytestWarning] = {}

    def emit(self, event: Event, *, shown: bool = True) -> None:
        """Take an event in; it is on disk after the next `commit`. Views see it, unless it is not to be `shown`."""
        if self._blotter is not None:
            event = blot_texts(event, self._blotter)
        if isinstance(event, AttemptFinished):
            bounded = bound_result(event.result)
            event = event if bounded is event.result else AttemptFinished(bounded)
        with self._turn:
            if self._sealed:
                return
            slim = self._take(event)
        self._dirty.set()
        sinks = self._sinks if shown else {}
        for trouble in [trouble for sink in sinks if (trouble := self._show(sink, slim))]:
            self.emit(RunNote(trouble))

    def _take(self, event: Event) -> Event:
        """Put an event into journal and record; as views are to see it."""
        self._writer.append(event)
        slim = self._slim(event)
        self.record.apply(self._without_texts(slim))
        return slim

    def seal(self, last: Callable[[RunRecord], Iterable[Event]]) -> None:
        """Take in these last events, bring them to the disk, and take nothing in any more; views see nothing of it.

        May be called in any thread, whatever the event loop is at.

        Args:
            last: given what the run has come to, tells what ends it.
        """
        with self._turn:
            if not self._sealed:
                self._sealed = True
                for event in last(self.record):
                    self._take(event)
        self.commit_here()

    def _show(self, sink: EventSink, event: Event) -> str | None:
        """Let a view see an event: no verdict depends on whether it can. What is to be said of it, the first time."""
        try:
            sink(event)
        except Exception as error:  # whatever it is, it is the view's
            logger.debug("a view of the run has failed", exc_info=True)
            if sink not in self._broken:
                self._broken.add(sink)
                told = f"{type(error).__name__}: {error}"
                return f"{self._sinks[sink]} has failed ({told}); its results do not need it"
        return None

    @property
    def in_database(self) -> bool:
        """Whether something of this run has been brought into DuckDB."""
        return self._ingested > 0 or self._ingesting is not None

    def show_to(self, sink: EventSink, name: str) -> None:
        """Let one more view, called `name` where it fails, see each verdict so far and each event from here on."""
        self._sinks = {**self._sinks, sink: name}
        closed = [test.closed for test in self.record.tests.values() if test.closed]
        for trouble in [trouble for verdict in closed if (trouble := self._show(sink, verdict))]:
            self.emit(RunNote(trouble))

    async def commit(self) -> None:
        """Put all events so far on disk; whatever keeps it from that, the next one tries again."""
        self._dirty.clear()
        try:
            await _aside(self._writer.commit)
            self._writer.check_place()
        except Exception as error:  # noqa: BLE001 - what ends here would leave the rest of the run unwritten
            self._fail(error)

    def commit_here(self) -> None:
        """As `commit`, without a thread, while everybody waits."""
        try:
            self._writer.commit()
        except Exception as error:  # noqa: BLE001 - as there
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            logger.debug("the journal cannot be written", exc_info=error)
            told = f"the journal {str(self._path)!r} cannot be written: {type(error).__name__}: {error}"
            self._on_failure(error if isinstance(error, PulseqError) else InfrastructureError(told))

    async def keep_committing(self) -> None:
        """Write whatever comes, at once after a pause, else in groups; until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._dirty.wait()
            await self.commit()  # also where there is nothing to write: it looks whether the journal is there
            await asyncio.sleep(COMMIT_PAUSE_SECONDS)

    async def keep_ingesting(self, database: Path, interval_seconds: float) -> None:
        """Bring results into DuckDB every `interval_seconds`, less often where that takes long; until cancelled."""
        # To make a new one keeps this process for a tenth of a second: while it waits for nodes that collect.
        pause = interval_seconds if database.exists() else 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
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
        if waits or self._writer.size - self._ingested >= _WORTH_BYTES:
            self._hurry.set()

    async def ingest(self, database: Path) -> None:
        """Bring what the journal holds into DuckDB, after what is on its way there already.

        Raises:
            PulseqError: the file is locked, damaged, or of a newer schema; the journal has everything.
        """
        if self._ingesting is not None:
            await asyncio.wait({self._ingesting})
        self._ingesting = asyncio.create_task(self._ingest(database))
        self._ingesting.add_done_callback(_heed)
        # Its thread cannot be cancelled: the next one would meet it at the database.
        await asyncio.shield(self._ingesting)

    async def _ingest(self, database: Path) -> None:
        await self.commit()
        report = await _aside(lambda: self.ingest_here(database, patience_seconds=_PATIENCE_SECONDS))
        self._ingested = report.end_offset
        if report.set_aside is not None:
            self.emit(
                RunNote(
                    f"the database was damaged and is now {report.set_aside.name}; "
                    "`pulseq results sync` brings earlier runs back"
                )
            )

    def ingest_here(self, database: Path, *, patience_seconds: float) -> IngestReport:
        """Bring what is on the disk into DuckDB, in whatever thread. Raises as `ingest`."""
        try:
            return ingest(self._path, Database(database, patience_seconds=patience_seconds))
        except PulseqError:
            raise
        except Exception as error:
            raise InfrastructureError(f"the database {str(database)!r}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Write what is left, and let go of the journal."""
        try:
            self._writer.close()
        except Exception as error:  # noqa: BLE001 - as with every commit before: what the run came to stands
            self._fail(error)

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

    def _without_texts(self, event: Event) -> Event:
        """What the record keeps of an event: of 100,000 failures the texts would be a gigabyte."""
        if not isinstance(event, AttemptFinished) or not (event.result.output or event.result.error):
            return event
        self._texts_left -= 1
        if self._texts_left >= 0:
            return event
        # The verdict has the last lines of the error.
        return AttemptFinished(replace(event.result, output="", error=None))

    @property
    def failed(self) -> bool:
        """Whether the journal could not be written, or was gone, at any time."""
        return self._failed


def _heed(ended: asyncio.Task[None]) -> None:
    """Take notice of what a task has ended in, also where whoever waited for it has gone: the next one says it."""
    if not ended.cancelled() and (error := ended.exception()) is not None:
        logger.debug("results could not be brought into the database", exc_info=error)


async def _aside(work: Callable[[], T]) -> T:
    """Do something in a thread, or here where no thread is to be had."""
    try:
        return await asyncio.to_thread(work)
    except RuntimeError:
        logger.debug("no thread is to be had", exc_info=True)
        return work()


def _slim_result(result: AttemptResult) -> AttemptResult:
    if result.status in (Status.PASSED, Status.SKIPPED):
        return replace(result, output="")
    error = result.error[-_KEPT_CHARACTERS:] if result.error else result.error
    return replace(result, output=result.output[-_KEPT_CHARACTERS:], error=error)
