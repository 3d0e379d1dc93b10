"""`Running` of a task run is told only where it lasts: of one that has ended in a moment nobody could see it.

A state is half a millisecond on the node and two on the server. The final state has the same start, end and run time
without it. The same is done with `Pending`, which is never told (`tasks.new_task_run`).
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import Any, ClassVar
from uuid import UUID

from prefect import task_engine
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import Event
from prefect.utilities.engine import emit_task_run_state_change_event

#: A task run that has not ended by then is told to be running.
HELD_SECONDS = 0.1
#: The state that is held back: not `Retrying`, which says something of what came before.
HELD_NAME = "Running"


class HeldRunning:
    """`Running` of a task run that was not told yet; the next state decides whether it is."""

    waiting: ClassVar[set[HeldRunning]] = set()

    def __init__(self, task_run: TaskRun, before: State[Any], state: State[Any], follows: Event | None) -> None:
        # As it is now: the engine replaces what the task run holds with each state.
        self._task_run = task_run.model_copy()
        self._states = (before, state)
        self._follows = follows
        self._context = copy_context()
        self._event: Event | None = None
        self.waiting.add(self)
        self._timer = asyncio.get_running_loop().call_later(HELD_SECONDS, self.tell)

    @property
    def flow_run_id(self) -> UUID | None:
        return self._task_run.flow_run_id

    def tell(self) -> Event | None:
        """Tell it, if that has not been done."""
        if self in self.waiting:
            self.drop()
            # As the engine would have: the context has the API and the flow run.
            self._event = self._context.run(
                emit_task_run_state_change_event, self._task_run, *self._states, follows=self._follows
            )
        return self._event

    def drop(self) -> None:
        """Never tell it."""
        self.waiting.discard(self)
        self._timer.cancel()


def emit_unless_short(
    task_run: TaskRun,
    initial_state: State[Any],
    validated_state: State[Any],
    follows: Event | HeldRunning | None = None,
) -> Event | HeldRunning | None:
    """In the place of Prefect's `emit_task_run_state_change_event`: the same, but for a `Running` that is short."""
    before: Event | None
    if not isinstance(follows, HeldRunning):
        before = follows
    elif validated_state.is_final() and follows in HeldRunning.waiting:
        follows.drop()
        # Not `follows`: the server would wait for an event that never comes.
        before = None
    else:
        before = follows.tell()
    if validated_state.name == HELD_NAME:
        return HeldRunning(task_run, initial_state, validated_state, before)
    return emit_task_run_state_change_event(task_run, initial_state, validated_state, follows=before)


def hold_short_running() -> None:
    """Have Prefect's asynchronous engine in this process tell no `Running` that is short; for nodes."""
    vars(task_engine)["emit_task_run_state_change_event"] = emit_unless_short


def tell_running(flow_run_id: UUID) -> None:
    """Tell all that is held back of a flow run."""
    for held in list(HeldRunning.waiting):
        if held.flow_run_id == flow_run_id:
            held.tell()
