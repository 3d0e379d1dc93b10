"""Journals told to Prefect, where it missed something: at the end of a run, or later, of all runs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, fields, replace
from pathlib import Path

from pulseq.errors import ExitCode
from pulseq.orchestration.flow_run import RETRIES_OF_A_CONFIGURED_API, FlowRunEnding, use_api
from pulseq.orchestration.known_api import KnownApi, known_api
from pulseq.orchestration.mending import end_flow_run, is_open, mend_task_runs
from pulseq.orchestration.prefect_client import open_client
from pulseq.ownership import write_own
from pulseq.reports.tally import count_closed
from pulseq.results.flow_runs import FlowRunStory, is_being_written, read_flow_runs
from pulseq.results.journal import journals_in
from pulseq.run.ending import ending_of

#: Beside a journal: how many bytes of it the API named there has been told.
TOLD_NAME = "prefect-told"
_CRASHED = FlowRunEnding("crashed", "its driver was killed; `pulseq resume` finishes the run")


@dataclass(frozen=True, slots=True)
class PrefectReport:
    """What was told.

    Attributes:
        runs: how many journals were compared with what the API has.
        flow_runs, task_runs: how many were given a final state.
        unknown: flow runs that this API does not know, since their run spoke to another.
        going_on: runs that were left alone because they go on.
    """

    runs: int = 0
    flow_runs: int = 0
    task_runs: int = 0
    unknown: int = 0
    going_on: int = 0


async def sync_prefect(home: Path, configured: str | None = None) -> PrefectReport:
    """Tell the Prefect API how every run of a state directory ended, where it does not know.

    Runs that it was told of before cost nothing.

    Args:
        configured: address of an API; None takes the one that is configured, else that of `pulseq up`.

    Raises:
        UsageError: there is no API to be told.
        InfrastructureError: it does not answer, or does not take what it is told.
    """
    api = KnownApi(configured) if configured else known_api(home)
    url = api.url
    report = PrefectReport()
    with use_api(url, auth=api.auth, retries=RETRIES_OF_A_CONFIGURED_API):
        for journal in journals_in(home):
            if is_being_written(journal):
                report = replace(report, going_on=report.going_on + 1)
            elif not _is_told(journal, url):
                report = _sum(report, await _tell_run(journal, url))
    return report


async def _tell_run(journal: Path, url: str) -> PrefectReport:
    size = journal.stat().st_size
    flow_runs = task_runs = unknown = 0
    stories = await asyncio.to_thread(read_flow_runs, journal)
    async with open_client() as client:
        for story in stories:
            going_on = await is_open(client, story.id)
            if going_on is None:
                unknown += 1
                continue
            task_runs += await mend_task_runs(client, story)
            if going_on:
                await end_flow_run(client, story.id, ending_told_by(story))
                flow_runs += 1
    write_own(journal.parent / TOLD_NAME, f"{size} {url}\n")
    return PrefectReport(1, flow_runs, task_runs, unknown)


async def mend_run(journal: Path, flow_run_id: str) -> int:
    """Tell the API of the current flow run what it missed of its task runs; how many those were.

    Raises:
        InfrastructureError: it does not answer, or does not take what it is told.
    """
    stories = await asyncio.to_thread(read_flow_runs, journal)
    async with open_client() as client:
        return sum([await mend_task_runs(client, story) for story in stories if story.id == flow_run_id])


def ending_told_by(story: FlowRunStory) -> FlowRunEnding:
    """How a flow run ended, by its journal."""
    if story.finished is None:
        return _CRASHED
    return ending_of(ExitCode(story.finished.exit_code), count_closed(story.verdicts.values()))


def _is_told(journal: Path, url: str) -> bool:
    with contextlib.suppress(OSError):
        told = (journal.parent / TOLD_NAME).read_text(encoding="utf-8")
        return told == f"{journal.stat().st_size} {url}\n"
    return False


def _sum(one: PrefectReport, other: PrefectReport) -> PrefectReport:
    return PrefectReport(*(getattr(one, field.name) + getattr(other, field.name) for field in fields(PrefectReport)))
