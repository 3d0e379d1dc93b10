"""A run as it is told to a Prefect API that people look at: progress, events, a summary at its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from pulseq.errors import ExitCode, InfrastructureError, PulseqError
from pulseq.events import RunFinished, RunNote, TestClosed
from pulseq.orchestration.artifacts import RunArtifacts
from pulseq.orchestration.delivery import Delivery
from pulseq.orchestration.run_events import RUN_FINISHED, RUN_STARTED, newly_failing_event, run_event, tell_events
from pulseq.orchestration.run_log import tell_log
from pulseq.records import RunRecord, is_own_failure
from pulseq.reports.artifact_table import list_failures
from pulseq.reports.json_output import describe_run
from pulseq.reports.markdown import render_markdown
from pulseq.results.database import Database
from pulseq.results.lineage import Lineage
from pulseq.results.newly_failing import newly_failing
from pulseq.run.event_log import EventLog
from pulseq.run.exit_code import EXIT_REASONS
from pulseq.run.failure_log import FailureLog
from pulseq.run.ledger import Ledger
from pulseq.run.run_options import RunOptions
from pulseq.run.unstarted_log import UnstartedLog

logger = logging.getLogger("pulseq.run")

PROGRESS_SECONDS = 5.0
#: An API that does not answer is not to keep a run waiting.
PATIENCE_SECONDS = 10.0
#: So many tests that fail newly are told one by one; the event of the run's end has their number.
MOST_NEWLY_FAILING = 50
_HISTORY_PATIENCE_SECONDS = 1.0


@dataclass(slots=True)
class RunPage:
    """Tells one run. It gives up at the first thing that the API does not take: no verdict waits for it."""

    suite: str
    flow_run_id: str
    options: RunOptions
    log: EventLog
    ledger: Ledger
    delivery: Delivery
    began: float = field(default_factory=time.time)
    trouble: str | None = None
    _artifacts: RunArtifacts = field(init=False)
    _unstarted: UnstartedLog = field(init=False)
    _failures: FailureLog = field(init=False)
    _told_percent: float = -1.0

    def __post_init__(self) -> None:
        self._artifacts = RunArtifacts(self.flow_run_id, self.suite)
        self._unstarted = UnstartedLog(self.ledger, self.delivery.put)
        self._failures = FailureLog(unstarted=self._unstarted.task_runs)
        # In this order: what the log says of a test belongs to its task run.
        for handle in (self._unstarted.handle, self._failures.handle):
            self.log.show_to(handle, "what tells Prefect of this run")

    @contextlib.asynccontextmanager
    async def kept(self, known: asyncio.Task[None] | None = None) -> AsyncIterator[None]:
        """Tell the start when all tests are `known`, and keep telling progress for as long as the block takes."""
        telling = asyncio.create_task(self._keep_telling(known))
        try:
            yield
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling

    async def _keep_telling(self, known: asyncio.Task[None] | None) -> None:
        if known is not None:
            await asyncio.wait({known})
        await self._try(self._tell_events(RUN_STARTED, {"planned": len(self.log.record.tests)}))
        while self.trouble is None:
            await self._try(self._tell_progress())
            await self._try(self._tell_failures())
            await asyncio.sleep(PROGRESS_SECONDS)

    async def finish(self, code: ExitCode) -> None:
        """Tell the end: the last failures and progress, summary, table, and what is new."""
        finished = RunFinished(time.time(), time.time() - self.began, int(code), EXIT_REASONS[code])
        record = replace(self.log.record, finished=finished)
        await self._try(self._tell_failures())
        await self._try(self._tell_progress())
        await self._try(self._tell_record(record))
        await self._try(self._tell_end(record))

    async def _tell_progress(self) -> None:
        total = len(self.log.record.tests)
        percent = 100.0 * (total - self.ledger.open) / total if total else 0.0
        if percent != self._told_percent:
            self._told_percent = percent
            await self._artifacts.show_progress(percent)

    async def _tell_failures(self) -> None:
        if lines := self._failures.take():
            await tell_log(self.flow_run_id, lines)

    async def _tell_record(self, record: RunRecord) -> None:
        locations = {"journal": str(self.options.journal_path), "database": str(self.options.database_path)}
        markdown = await asyncio.to_thread(render_markdown, record, locations=locations)
        await self._artifacts.show_summary(markdown)
        if failures := list_failures(record):
            await self._artifacts.show_failures(failures)

    async def _tell_end(self, record: RunRecord) -> None:
        failed = {(one.test_id, one.variant): one for one in self.ledger.verdicts() if is_own_failure(one)}
        new = await asyncio.to_thread(self._find_new, failed)
        told = describe_run(record)
        payload = {"counts": told["counts"], "reason": told["reason"], "newly_failing": len(new)}
        events = [
            newly_failing_event(
                run_id=self.options.run_id,
                suite=self.suite,
                flow_run_id=self.flow_run_id,
                test=key,
                said=failed[key].error or "",
            )
            for key in new[:MOST_NEWLY_FAILING]
        ]
        await self._tell_events(RUN_FINISHED, payload, events)

    def _find_new(self, failed: dict[tuple[str, str], TestClosed]) -> list[tuple[str, str]]:
        database = Database(self.options.database_path, patience_seconds=_HISTORY_PATIENCE_SECONDS)
        try:
            started = self.log.record.started
            lineage = Lineage.of_run(started) if started else Lineage(self.suite)
            return newly_failing(database, lineage, self.options.run_id, failed)
        except PulseqError as error:
            logger.debug("nothing is known of earlier runs: %s", error)
            return []

    async def _tell_events(
        self, name: str, payload: dict[str, Any], others: list[dict[str, Any]] | None = None
    ) -> None:
        run_id, flow_run_id = self.options.run_id, self.flow_run_id
        own = run_event(name, run_id=run_id, suite=self.suite, flow_run_id=flow_run_id, payload=payload)
        await tell_events([*(others or []), own])

    async def _try(self, telling: Coroutine[Any, Any, None]) -> None:
        if self.trouble is not None:
            telling.close()
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await telling
        except Exception as error:
            logger.debug("the page of the flow run is not complete", exc_info=True)
            self.trouble = str(error) or "it took too long to answer"
            if not isinstance(error, (InfrastructureError, TimeoutError)):
                told = f"{type(error).__name__}: {error}"
                self.log.emit(RunNote(f"the page of the flow run has failed ({told}); the results do not need it"))
