"""The end of a run at Prefect: what its API has not heard of the task runs, it is told; else a line says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from pulseq.errors import PulseqError
from pulseq.events import RunNote
from pulseq.orchestration.api_client import Recorded, wait_until_recorded
from pulseq.orchestration.api_watch import ApiWatch
from pulseq.orchestration.orphans import OrphanRun, end_orphans
from pulseq.run.event_log import EventLog
from pulseq.run.prefect_sync import mend_run

logger = logging.getLogger("pulseq.run")

#: How long the end of a run waits for a server that records in batches, beyond what it has to record.
RECORD_PATIENCE_SECONDS = 10.0
RECORD_SECONDS_PER_TASK_RUN = 0.02
#: A server that recorded nothing new for so long has lost the rest, which it is told then: twice is no harm.
STALL_SECONDS = 4.0
#: So long it waits for a server that goes on after the run and is behind: that records the rest by itself.
BEHIND_SECONDS = 20.0
#: So long the task runs of lost nodes may take of somebody who has stopped the run.
STOPPED_SECONDS = 1.0
#: Past so many task runs a server may drop what it cannot record in time.
MANY_TASK_RUNS = 2000


class PrefectTruth:
    """Sees to it that a Prefect API and the journal of a run agree on its task runs.

    States travel as events, which nobody acknowledges. They are lost with a server that dies, and with a node.

    Args:
        passing: whether the server ends with the run, so that all has to be recorded before.
        stopped: set where somebody waits for the run to end now.
    """

    def __init__(
        self, url: str, journal: Path, log: EventLog, *, passing: bool, stopped: asyncio.Event | None = None
    ) -> None:
        self._url = url
        self._journal = journal
        self._log = log
        self._passing = passing
        self._stopped = stopped or asyncio.Event()
        self._watch = ApiWatch(url)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Take note, as long as the block takes, of whether the API answers."""
        async with self._watch.watching() if not self._passing else contextlib.nullcontext():
            yield

    async def settle(self, flow_run_id: str, task_runs: int, orphans: Sequence[OrphanRun], *, nodes_lost: bool) -> None:
        """Have the API know how all task runs ended.

        Waits for it only where there is reason to: it is about to end, it was away, or there were many task runs.

        Args:
            task_runs: how many ended on their nodes.
            orphans: those whose node was lost.
            nodes_lost: whether all nodes were lost at once, with what they had to say.
        """
        await self._end_orphans(flow_run_id, orphans)
        if not (self._passing or self._watch.troubled or nodes_lost or task_runs >= MANY_TASK_RUNS):
            return
        try:
            known = await self._wait(flow_run_id, task_runs)
            if known.missing and (self._stopped.is_set() or not (self._passing or known.stalled)):
                self._tell_behind(known.missing)
            # Of a flow run that was retried the API counts the task runs of before as well.
            elif known.missing or nodes_lost or self._watch.troubled:
                await self._log.commit()
                mended = await mend_run(self._journal, flow_run_id)
                logger.debug("Prefect was told of %d task runs that it had missed", mended)
        except PulseqError as error:  # also where the journal is gone that tells it
            logger.debug("Prefect could not be told: %s", error)
            self._log.emit(
                RunNote(
                    f"Prefect could not be told how task runs of this run ended ({task_runs} in all): "
                    "`pulseq results sync --prefect` finishes it"
                )
            )

    async def _end_orphans(self, flow_run_id: str, orphans: Sequence[OrphanRun]) -> None:
        if not self._stopped.is_set():
            await end_orphans(self._url, flow_run_id, orphans)
            return
        try:
            async with asyncio.timeout(STOPPED_SECONDS):
                await end_orphans(self._url, flow_run_id, orphans, patience_seconds=0.0)
        except TimeoutError:
            self._tell_behind(len(orphans))

    def _tell_behind(self, missing: int) -> None:
        lack = f"Prefect has not recorded yet how {missing} task runs of this run ended"
        self._log.emit(RunNote(f"{lack}: `pulseq results sync --prefect` tells it what it may lose of that"))

    async def _wait(self, flow_run_id: str, task_runs: int) -> Recorded:
        patience = RECORD_PATIENCE_SECONDS + task_runs * RECORD_SECONDS_PER_TASK_RUN
        return await wait_until_recorded(
            self._url,
            flow_run_id,
            task_runs,
            patience_seconds=patience if self._passing else min(patience, BEHIND_SECONDS),
            stall_seconds=STALL_SECONDS,
            stopped=self._stopped,
        )
