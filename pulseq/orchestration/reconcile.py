"""Bringing a Prefect API to say what the journal says: at the end of a run, or later, of all runs.

States travel as events: the API acknowledges that it got them, and not that it has recorded them. They are lost with a
server that dies, and with nodes that had not told them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from pulseq.background import any_set
from pulseq.errors import ExitCode, PulseqError
from pulseq.models import Reason
from pulseq.orchestration.api_client import wait_until_recorded
from pulseq.orchestration.api_watch import ApiWatch
from pulseq.orchestration.delivery import STALL_SECONDS, Delivery, wait_for_few
from pulseq.orchestration.flow_run import RETRIES_OF_A_CONFIGURED_API, ending_of, use_api
from pulseq.orchestration.prefect_client import open_client
from pulseq.orchestration.run_events import flow_run_resource
from pulseq.orchestration.task_run_events import FINAL, event_of, final_state
from pulseq.orchestration.task_runs import NODE_LOST, state_of, task_for
from pulseq.ownership import write_own
from pulseq.protocol.work import shown_name
from pulseq.reports.tally import count_closed
from pulseq.results.flow_runs import FlowRunStory, TaskRunStory, is_being_written, read_flow_runs
from pulseq.results.journal import journals_in

logger = logging.getLogger("pulseq.prefect")

#: How long the end of a run waits for a server that ends with it, beyond what that has to record.
RECORD_PATIENCE_SECONDS = 10.0
RECORD_SECONDS_PER_TASK_RUN = 0.02
#: So long it waits for a server that goes on after the run and may lack something.
BEHIND_SECONDS = 20.0
#: So long the API may take of somebody who has stopped the run.
STOPPED_SECONDS = 1.0
#: Beside a journal: how many bytes of it the API named there has been told.
TOLD_NAME = "prefect-told"

#: The most that the API returns of a filter at once, and that it is told in one request.
_PAGE = 200
#: So many are told one by one, and are then known at once.
_FEW = 20
_NO_RESULT = "no result of it came home"
_KILLED = "its driver was killed; `pulseq resume` finishes the run"


class Reconciler:
    """Sees to it that the API of a run has what became of its task runs when the run is over.

    Args:
        journal: the run's; `commit` has it hold all that has happened.
        passing: whether the server ends with the run, so that all has to be recorded before.
        stopped: set where somebody waits for the run to end now.
        note: tells whoever watches the run.

    Attributes:
        left: whether the API took no connection when the run was over, and is waited for no longer.
    """

    def __init__(
        self,
        url: str,
        delivery: Delivery,
        journal: Path,
        *,
        passing: bool,
        stopped: asyncio.Event,
        note: Callable[[str], None],
    ) -> None:
        self._url = url
        self._delivery = delivery
        self._journal = journal
        self._passing = passing
        self._stopped = stopped
        self._note = note
        self._watch = ApiWatch(url)
        self.left = False

    @contextlib.asynccontextmanager
    async def telling(self, flow_run_id: str) -> AsyncIterator[None]:
        """Deliver states as long as the block takes, and take note of whether the API is there all the time."""
        async with contextlib.AsyncExitStack() as stack:
            if not self._passing:
                await stack.enter_async_context(self._watch.watching())
            await stack.enter_async_context(self._delivery.telling(flow_run_id))
            yield

    async def settle(self, flow_run_id: str, *, nodes_lost: bool, commit: Callable[[], Any]) -> None:
        """Have the API know how all task runs ended; within `telling`.

        It is asked only where there is reason to: it is about to end, or it may lack something.

        Args:
            nodes_lost: whether all nodes were lost at once, with what they had to say.
        """
        told = await self._deliver()
        self.left = not await self._is_there()
        unended = self._delivery.known > self._delivery.ended  # their node has said no more, and nobody waits for it
        lacks = nodes_lost or unended or self._delivery.troubled or self._watch.troubled
        if self._stopped.is_set() and not told:
            self._tell_behind()
        if not (self._passing or lacks or not told) or (self._stopped.is_set() and not told):
            return
        task_runs = self._delivery.known
        if self.left:
            self._tell_untold(task_runs)
            return
        try:
            known = await wait_until_recorded(
                self._url,
                flow_run_id,
                task_runs,
                patience_seconds=self._patience(task_runs),
                # What it has lost it is told then: twice is no harm.
                stall_seconds=STALL_SECONDS,
                stopped=self._stopped,
            )
            if known.missing and (self._stopped.is_set() or not (self._passing or known.stalled)):
                self._tell_behind(known.missing)
            # Of a flow run that was retried the API counts the task runs of before as well.
            elif known.missing or lacks:
                await commit()
                mended = await mend_run(self._journal, flow_run_id)
                logger.debug("Prefect was told of %d task runs that it had missed", mended)
        except PulseqError as error:  # also where the journal is gone that tells it
            logger.debug("Prefect could not be told: %s", error)
            self._tell_untold(task_runs)

    async def _deliver(self) -> bool:
        """Whether all has been delivered, in the time that there is, and unless the API is gone."""
        patience = self._patience(self._delivery.ended)
        telling = asyncio.ensure_future(self._delivery.all_told(patience))
        enough = asyncio.ensure_future(any_set(self._stopped, self._watch.gone))
        await asyncio.wait({telling, enough}, return_when=asyncio.FIRST_COMPLETED)
        if self._stopped.is_set():
            await asyncio.wait({telling}, timeout=STOPPED_SECONDS)
        for one in (telling, enough):
            one.cancel()
        return telling.done() and not telling.cancelled() and telling.result()

    async def _is_there(self) -> bool:
        """Whether the API takes connections; one that does not may only restart, and is waited for."""
        await any_set(self._watch.there, self._watch.gone, self._stopped)
        return self._watch.there.is_set()

    def _tell_untold(self, task_runs: int) -> None:
        self._note(
            f"Prefect could not be told how task runs of this run ended ({task_runs} in all): "
            "`pulseq results sync --prefect` finishes it"
        )

    def _tell_behind(self, missing: int | None = None) -> None:
        many = "some" if missing is None else str(missing)
        lack = f"Prefect has not recorded yet how {many} task runs of this run ended"
        self._note(f"{lack}: `pulseq results sync --prefect` tells it what it may lose of that")

    def _patience(self, task_runs: int) -> float:
        patience = RECORD_PATIENCE_SECONDS + task_runs * RECORD_SECONDS_PER_TASK_RUN
        return patience if self._passing else min(patience, BEHIND_SECONDS)


async def mend_run(journal: Path, flow_run_id: str) -> int:
    """Tell the API of the current flow run what it missed of its task runs; how many those were.

    Raises:
        InfrastructureError: it does not answer, or does not take what it is told.
    """
    stories = await asyncio.to_thread(read_flow_runs, journal)
    async with open_client() as client:
        return sum([await mend_task_runs(client, story) for story in stories if story.id == flow_run_id])


async def mend_task_runs(client: PrefectClient, story: FlowRunStory) -> int:
    """Give each task run that has no final state at the API the one that its results ask for; how many those were.

    One that the API has never heard of is made there.

    Raises:
        httpx.HTTPError, PrefectException: the API does not answer, or does not take it.
    """
    known = await _states(client, story.task_runs)
    wrong = left = _not_final(story.task_runs.values(), known)
    if len(wrong) > _FEW:
        # One that takes no events is told one by one all the same.
        with contextlib.suppress(httpx.HTTPStatusError):
            await _tell_together(client, story.id, wrong)
        known = await _states(client, (one.id for one in wrong))
        left = _not_final(wrong, known)
    # One after the other: a server on SQLite has one writer, and turns away what comes beside it.
    for one in left:
        await _mend(client, story.id, one, known=one.id in known)
    return len(wrong)


async def _tell_together(client: PrefectClient, flow_run_id: str, stories: Sequence[TaskRunStory]) -> None:
    """Send final states as events, a batch at a time, and wait until they are recorded, or nothing new is.

    To set states one by one takes the API some fifteen milliseconds each; and its recorder throws away what comes
    faster than it writes.
    """

    async def count_missing() -> int:
        return len(_not_final(stories, await _states(client, (one.id for one in stories))))

    related = [flow_run_resource(flow_run_id)]
    for start in range(0, len(stories), _PAGE):
        batch = stories[start : start + _PAGE]
        states = [final_state(UUID(one.id), one.name, state_told_by(one), *_times_of(one)) for one in batch]
        answer = await client._client.post("/events", json=[event_of(state, related) for state in states])
        answer.raise_for_status()
        # The last ones of all are waited for whole; before them there may be a batch on its way.
        spare = len(stories) - start - len(batch)
        await wait_for_few(count_missing, spare + (_PAGE if spare else 0))


def _not_final(stories: Iterable[TaskRunStory], known: Mapping[str, str]) -> list[TaskRunStory]:
    return [one for one in stories if known.get(one.id) not in FINAL]


def _times_of(story: TaskRunStory) -> tuple[float, float] | tuple[None, None]:
    """When its first test began and its last one ended, as far as results tell."""
    results = [result for result in story.results.values() if result is not None and result.started_at > 0]
    if not results:
        return None, None
    ended = max(result.started_at + result.duration for result in results)
    return min(result.started_at for result in results), ended


def state_told_by(story: TaskRunStory) -> State[Any]:
    """The final state of a task run, from its results."""
    results = [result for result in story.results.values() if result is not None]
    if len(results) < len(story.results):
        return Crashed(message=_NO_RESULT)
    if any(result.reason is Reason.NODE_LOST for result in results):
        return Crashed(name=NODE_LOST, message="its node was lost")
    return state_of(results, retried=story.retried)


async def _states(client: PrefectClient, ids: Iterable[str]) -> dict[str, str]:
    ordered = list(ids)
    states: dict[str, str] = {}
    for start in range(0, len(ordered), _PAGE):
        page = ordered[start : start + _PAGE]
        query = {"task_runs": {"id": {"any_": page}}, "limit": _PAGE}
        answer = await client._client.post("/task_runs/filter", json=query)
        states |= {found["id"]: found["state_type"] for found in answer.raise_for_status().json()}
    return states


async def _mend(client: PrefectClient, flow_run_id: str, story: TaskRunStory, *, known: bool) -> None:
    told = state_told_by(story)
    state = {"type": told.type.value, "name": told.name, "message": told.message}
    if known:
        answer = await client._client.post(f"/task_runs/{story.id}/set_state", json={"state": state, "force": True})
    else:
        answer = await client._client.post("/task_runs/", json=_new_run(story, flow_run_id, state))
    answer.raise_for_status()


def _new_run(story: TaskRunStory, flow_run_id: str, state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": story.id,
        "flow_run_id": flow_run_id,
        "name": shown_name(story.name),
        # As the node made it: the API takes both for the same task run.
        "task_key": task_for(0, 0.0, None).task_key,
        "dynamic_key": story.id,
        "state": state,
    }


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


async def sync_prefect(home: Path, url: str, auth: str | None = None) -> PrefectReport:
    """Tell the Prefect API how every run of a state directory ended, where it does not know.

    Runs that it was told of before cost nothing.

    Args:
        url, auth: the API, and the auth string that it asks for where it is ours.

    Raises:
        InfrastructureError: it does not answer, or does not take what it is told.
    """
    report = PrefectReport()
    with use_api(url, auth=auth, retries=RETRIES_OF_A_CONFIGURED_API):
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
            going_on = await _is_open(client, story.id)
            if going_on is None:
                unknown += 1
                continue
            task_runs += await mend_task_runs(client, story)
            if going_on:
                await client.set_flow_run_state(UUID(story.id), ending_told_by(story), force=True)
                flow_runs += 1
    write_own(journal.parent / TOLD_NAME, f"{size} {url}\n")
    return PrefectReport(1, flow_runs, task_runs, unknown)


async def _is_open(client: PrefectClient, flow_run_id: str) -> bool | None:
    """Whether the API takes a flow run for one that goes on; None where it knows no such flow run.

    It may be another API than the one that the run spoke to.
    """
    try:
        flow_run = await client.read_flow_run(UUID(flow_run_id))
    except ObjectNotFound:
        return None
    return flow_run.state is None or not flow_run.state.is_final()


def ending_told_by(story: FlowRunStory) -> State[Any]:
    """How a flow run ended, by its journal."""
    if story.finished is None:
        return Crashed(message=_KILLED)
    return ending_of(ExitCode(story.finished.exit_code), count_closed(story.verdicts.values()))


def _is_told(journal: Path, url: str) -> bool:
    with contextlib.suppress(OSError):
        told = (journal.parent / TOLD_NAME).read_text(encoding="utf-8")
        return told == f"{journal.stat().st_size} {url}\n"
    return False


def _sum(one: PrefectReport, other: PrefectReport) -> PrefectReport:
    return PrefectReport(*(getattr(one, field.name) + getattr(other, field.name) for field in fields(PrefectReport)))
