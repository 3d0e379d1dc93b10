"""What deployed flows call: a run inside the flow run that is going on already."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pulseq.errors import PulseqError
from pulseq.events import Event, RunNote
from pulseq.orchestration.flow_run import ending_of, failed, run_logger
from pulseq.reports.tally import count_verdicts
from pulseq.run.run_request import RunRequest, prepare_run
from pulseq.run.run_session import run_suite


async def run_in_flow(request: RunRequest) -> Any:
    """Run what is asked for within the current flow run; the Prefect state that it shall end in.

    Bad input and missing machines end it `Failed` with one line, as they end the command line.
    """
    log = run_logger()
    try:
        # It may wait for what `pulseq up` is starting, and reads files.
        prepared = await asyncio.to_thread(prepare_run, request)
        log.info("run %s, results in %s", prepared.options.run_id, prepared.options.database_path)
        outcome = await run_suite(prepared.suite, prepared.fleet, prepared.options, [_NoteLog(log).handle])
    except PulseqError as error:
        log.error("%s", error)
        return failed(str(error))
    if outcome.trouble:
        log.warning("%s", outcome.trouble)
    return ending_of(outcome.exit_code, count_verdicts(outcome.record))


class _NoteLog:
    """Tells the notes of a run in the flow run's log."""

    def __init__(self, log: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._log = log

    def handle(self, event: Event) -> None:
        if isinstance(event, RunNote):
            self._log.info("%s", event.text)
