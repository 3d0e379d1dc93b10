"""The task runs of one run on a node: Prefect's engine makes them, and what it says of them goes home with results.

No node speaks to the API: one connection, to its driver, is all that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import ContextVar, copy_context
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from prefect import task_engine
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.context import AsyncClientContext, FlowRunContext
from prefect.events import Event
from prefect.filesystems import LocalFileSystem
from prefect.results import ResultStore
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.engine import emit_task_run_state_change_event

from pulseq.orchestration.quiet_settings import NO_API
from pulseq.orchestration.tasks import run_as_task
from pulseq.protocol.from_node import TaskRunState
from pulseq.protocol.work import Work, shown_name

_SPEAK_TO_NOBODY: dict[Any, Any] = {
    PREFECT_API_URL: NO_API,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
    PREFECT_LOGGING_TO_API_ENABLED: False,
}

Tell = Callable[[TaskRunState], None]
_tell: ContextVar[Tell] = ContextVar("pulseq-tell-state")


class TaskRuns:
    """Makes the task runs of a run.

    Args:
        tell: given each state as a task run comes into it.
    """

    def __init__(self, tell: Tell) -> None:
        self._context = copy_context()
        self._context.run(_tell.set, tell)
        self._exit = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._is_open = False

    async def open(self) -> None:
        """Get ready, once; returns when that is done, also by another call."""
        async with self._opening:
            if not self._is_open:
                vars(task_engine)["emit_task_run_state_change_event"] = tell_state
                await self._inside(self._enter())
                self._is_open = True

    async def _enter(self) -> None:
        if PREFECT_API_URL.value() != NO_API:  # on a node that we have not started ourselves
            self._exit.enter_context(temporary_settings(_SPEAK_TO_NOBODY))
        # One for all task runs, which would make one each.
        api = await self._exit.enter_async_context(AsyncClientContext())
        self._exit.enter_context(
            FlowRunContext(
                # Of no flow run that there is: at home they become task runs of the one that there is then.
                flow_run=FlowRun(id=uuid4(), flow_id=uuid4(), name=""),
                client=api.client,
                task_runner=ThreadPoolTaskRunner(),
                # Nothing is kept there; without one, the API is asked for its default.
                result_store=ResultStore(result_storage=LocalFileSystem()),
                persist_result=False,
            )
        )

    async def perform(self, work: Work, performer: Any, task_run_id: UUID) -> None:
        """Run one piece of work as a task run; `performer.perform` does what there is to do."""
        await run_as_task(work, performer, self._context, task_run_id)

    async def close(self) -> None:
        """Leave what `open` entered."""
        await self._inside(self._exit.aclose())

    async def _inside(self, step: Coroutine[Any, Any, Any]) -> None:
        await asyncio.get_running_loop().create_task(step, context=self._context)


def tell_state(
    task_run: TaskRun, initial_state: State[Any] | None, validated_state: State[Any], follows: Event | None = None
) -> Event | None:
    """In the place of Prefect's `emit_task_run_state_change_event`: the state goes home, where a run of ours is left.

    Task runs of others in this process are told of as Prefect does it.
    """
    tell = _tell.get(None)
    if tell is None:
        return emit_task_run_state_change_event(task_run, initial_state, validated_state, follows=follows)
    tell(state_told(task_run, initial_state, validated_state))
    return None


def state_told(task_run: TaskRun, before: State[Any] | None, state: State[Any]) -> TaskRunState:
    """What goes home of a state."""
    policy = task_run.empirical_policy
    delay = policy.retry_delay
    return TaskRunState(
        id=task_run.id,
        name=task_run.name,
        state_id=state.id,
        state_type=state.type.value,
        state=shown_name(state.name or ""),
        message=shown_name(state.message or ""),
        at=state.timestamp.timestamp(),
        run_count=task_run.run_count,
        before=(before.type.value, before.name or "") if before is not None else None,
        started_at=_seconds(task_run.start_time),
        ended_at=_seconds(task_run.end_time),
        run_seconds=task_run.total_run_time.total_seconds(),
        scheduled_at=_seconds(state.state_details.scheduled_time),
        retries=policy.retries or 0,
        retry_seconds=float(delay) if isinstance(delay, int | float) else 0.0,
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
