"""A flow run as a node has it: its context and API client, entered once, copied for each task run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from contextvars import copy_context
from typing import Any
from uuid import UUID

from prefect.context import AsyncClientContext, hydrated_context
from prefect.events.worker import EventsWorker

from pulseq.orchestration.api_access import use_access
from pulseq.orchestration.ended_services import forget_ended_services
from pulseq.orchestration.flow_run import suite_flow
from pulseq.orchestration.short_running import hold_short_running, tell_running
from pulseq.orchestration.tasks import run_as_task
from pulseq.protocol.work import PytestWork, TestWork

_DRAIN_SECONDS = 10.0


class PrefectRun:
    """The flow run of one run on this node.

    Tasks run in the name of `suite_flow`, which every node can import; the run's own flow stays at home.
    """

    def __init__(self) -> None:
        self._context = copy_context()
        self._exit = AsyncExitStack()
        self._flow_run_id: UUID | None = None

    @classmethod
    async def enter(cls, serialized: dict[str, Any]) -> PrefectRun:
        """Enter the context that the driver sent."""
        hold_short_running()
        run = cls()
        await run._inside(run._enter(serialized))
        return run

    async def _enter(self, serialized: dict[str, Any]) -> None:
        self._flow_run_id = UUID(str(serialized["flow_run_context"]["flow_run"]["id"]))
        self._exit.enter_context(use_access(serialized["api_access"]))
        # Made without settings of its own: a task run takes no other, and would make one each time.
        api = await self._exit.enter_async_context(AsyncClientContext())
        context = {"flow_run_context": {**serialized["flow_run_context"], "flow": suite_flow}}
        # Given our client it makes none of its own, which no task run would use.
        self._exit.enter_context(hydrated_context(context, client=api.client))

    async def perform(self, work: TestWork | PytestWork, performer: Any, task_run_id: UUID) -> None:
        """Run one piece of work as a task run; `performer.perform` does what there is to do."""
        await run_as_task(work, performer, self._context, task_run_id)

    async def leave(self) -> None:
        """Send every state that Prefect has queued in this process, and leave the context."""
        if self._flow_run_id is not None:
            tell_running(self._flow_run_id)
        drained = EventsWorker.drain_all(timeout=_DRAIN_SECONDS)
        if asyncio.iscoroutine(drained) or asyncio.isfuture(drained):
            with contextlib.suppress(TimeoutError):
                await drained
        forget_ended_services()
        await self._inside(self._exit.aclose())

    async def _inside(self, step: Coroutine[Any, Any, Any]) -> None:
        await asyncio.get_running_loop().create_task(step, context=self._context)
