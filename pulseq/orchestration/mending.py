"""Bringing the Prefect API to say what the journal says, where it missed something."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from pulseq.models import Reason
from pulseq.orchestration.flow_run import FlowRunEnding, state_for
from pulseq.orchestration.missed_states import MissedState, tell_states
from pulseq.orchestration.tasks import state_of, task_for
from pulseq.protocol.work import shown_name
from pulseq.results.flow_runs import FlowRunStory, TaskRunStory

#: The most that the API returns of a filter at once.
_PAGE = 200
#: So many are told one by one, and are then known at once.
_FEW = 20
_FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_NO_RESULT = "no result of it came home"


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
    async def count_missing() -> int:
        return len(_not_final(stories, await _states(client, (one.id for one in stories))))

    missed = [MissedState(one.id, one.name, state_told_by(one), *_times_of(one)) for one in stories]
    await tell_states(client, flow_run_id, missed, count_missing)


def _not_final(stories: Iterable[TaskRunStory], known: Mapping[str, str]) -> list[TaskRunStory]:
    return [one for one in stories if known.get(one.id) not in _FINAL]


def _times_of(story: TaskRunStory) -> tuple[float, float] | tuple[None, None]:
    """When its first test began and its last one ended, as far as results tell."""
    results = [result for result in story.results.values() if result is not None and result.started_at > 0]
    if not results:
        return None, None
    ended = max(result.started_at + result.duration for result in results)
    return min(result.started_at for result in results), ended


async def is_open(client: PrefectClient, flow_run_id: str) -> bool | None:
    """Whether the API takes a flow run for one that goes on; None where it knows no such flow run.

    It may be another API than the one that the run spoke to. Raises as `mend_task_runs`.
    """
    try:
        flow_run = await client.read_flow_run(UUID(flow_run_id))
    except ObjectNotFound:
        return None
    return flow_run.state is None or not flow_run.state.is_final()


async def end_flow_run(client: PrefectClient, flow_run_id: str, ending: FlowRunEnding) -> None:
    """Give a flow run its final state. Raises as `mend_task_runs`."""
    await client.set_flow_run_state(UUID(flow_run_id), state_for(ending), force=True)


def state_told_by(story: TaskRunStory) -> State[Any]:
    """The final state of a task run, from its results."""
    results = [result for result in story.results.values() if result is not None]
    if len(results) < len(story.results):
        return Crashed(message=_NO_RESULT)
    if any(result.reason is Reason.NODE_LOST for result in results):
        return Crashed(name="NodeLost", message="its node was lost")
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
    state = _plain(state_told_by(story))
    if known:
        answer = await client._client.post(f"/task_runs/{story.id}/set_state", json={"state": state, "force": True})
    else:
        answer = await client._client.post("/task_runs/", json=_new_run(story, flow_run_id, state))
    answer.raise_for_status()


def _plain(state: State[Any]) -> dict[str, Any]:
    return {"type": state.type.value, "name": state.name, "message": state.message}


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
