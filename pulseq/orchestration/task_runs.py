"""Tests as Prefect task runs on a node: retries, timeouts, and the states that go home with results for the UI.

With `task_runner.py` the only place that touches Prefect's engine, on the Dask worker's event loop. No node speaks to
the API: one connection, to its driver, is all that it needs.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import ContextVar, copy_context
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from prefect import Task, task_engine
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State, StateDetails, TaskRun, TaskRunPolicy
from prefect.context import AsyncClientContext, FlowRunContext, TaskRunContext
from prefect.events import Event
from prefect.filesystems import LocalFileSystem
from prefect.results import ResultRecord, ResultRecordMetadata, ResultStore  # type: ignore[attr-defined]
from prefect.serializers import JSONSerializer
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending
from prefect.task_engine import run_task_async
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.engine import emit_task_run_state_change_event

from pulseq.models import AttemptResult, Reason, Status
from pulseq.orchestration.quiet_settings import NO_API
from pulseq.protocol.from_node import TaskRunState
from pulseq.protocol.work import PytestWork, TestWork, Work, shown_name
from pulseq.safe_text import gist

_SPEAK_TO_NOBODY: dict[Any, Any] = {
    PREFECT_API_URL: NO_API,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
    PREFECT_LOGGING_TO_API_ENABLED: False,
}
Tell = Callable[[TaskRunState], None]
_tell: ContextVar[Tell] = ContextVar("pulseq-tell-state")

#: The exact name is in the contract: the task that has Prefect's retries and timeout.
TASK_NAME = "run_test_with_retry"
#: The name of the state of what was lost with its node, or its machine's memory.
NODE_LOST = "NodeLost"

#: What a task run gives back: nothing that is kept, since results have a way of their own.
NO_RESULT: ResultRecord[None] = ResultRecord(
    result=None, metadata=ResultRecordMetadata(serializer=JSONSerializer(), storage_key="none")
)

#: Prefect's own timeout is there for what hangs: the keeper of a body counts from the body's start, is exact, and
#: has told its result long before this much more has passed. An interpreter may take half of it to begin.
BACKSTOP_SECONDS = 60.0

_STATE_NAMES = {
    Reason.TIMEOUT: "TimedOut",
    # Not `Crashed`: that is Prefect's word for trouble of its own, and of another type.
    Reason.CRASH: "BodyCrashed",
    Reason.SETUP: "SetupError",
    Reason.MEMORY: "OutOfMemory",
}


#: Given the number of the retry, 0 for none, and the id of the task run: does the work once.
Perform = Callable[[int, str], Awaitable[list[AttemptResult]]]


class TaskRunInput:
    """The parameter of a Prefect task run.

    A plain class on purpose: Prefect walks through containers, dataclasses and models that it gets as
    parameters, looking for futures; a test's own data has none and may be large.
    """

    def __init__(self, work: Work, perform: Perform) -> None:
        self.work = work
        self.perform = perform

    def __str__(self) -> str:
        return shown_name(self.work.name)


async def run_test_with_retry(work: TaskRunInput) -> State[Any]:
    """The body of every PulseQ task run: one attempt of a test, or a pack of short pytest items."""
    context = TaskRunContext.get()
    assert context is not None
    retry = context.task_run.run_count - 1
    results = await work.perform(retry, str(context.task_run.id))
    planned = len(work.work.orders) if isinstance(work.work, PytestWork) else 1
    state = state_of(results, retried=retry > 0 or work.work.failed_before, planned=planned)
    # Without it Prefect makes one, and looks up on the disk where it would be kept.
    state.data = NO_RESULT
    return state


def may_retry(_task: Task[Any, Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Prefect's retry condition: whatever failed may be tried again; what was cancelled may not.

    Neither may what was lost with its machine: that is tried again elsewhere, and uses up no retry.
    """
    return state.type is None or not (state.is_cancelled() or state.name == NODE_LOST)


@functools.lru_cache(maxsize=256)
def task_for(retries: int, retry_delay_seconds: float, timeout_seconds: float | None) -> Task[Any, Any]:
    """The task with these limits; built once, since building one inspects and hashes its function."""
    return Task(
        run_test_with_retry,
        name=TASK_NAME,
        retries=retries,
        retry_delay_seconds=retry_delay_seconds,
        timeout_seconds=timeout_seconds,
        retry_condition_fn=may_retry,
        cache_policy=NO_CACHE,
        persist_result=False,
        log_prints=False,
    )


async def _carry_out(work: TaskRunInput, task_run_id: UUID) -> None:
    task = _task_of(work.work)
    task_run = new_task_run(task, str(work), task_run_id)
    await run_task_async(task, task_run=task_run, parameters={"work": work}, return_type="state")


def _task_of(work: Work) -> Task[Any, Any]:
    if not isinstance(work, TestWork):
        return task_for(work.max_retries, work.retry_delay_seconds, None)
    limit = None if work.timeout_seconds is None else work.timeout_seconds + BACKSTOP_SECONDS
    return task_for(work.max_retries, work.test.retry_delay_seconds, limit)


def new_task_run(task: Task[Any, Any], name: str, task_run_id: UUID) -> TaskRun:
    """A task run that is about to begin, as Prefect's engine would make it.

    Made here, it costs neither the engine's look for the inputs' origins nor an event of its own: `Pending`
    would last a millisecond, and is a third of what the server has to record of a test.
    """
    state: State[Any] = Pending(state_details=StateDetails(task_run_id=task_run_id))
    now: Any = state.timestamp  # a `DateTime` of Prefect's, under the type of its base
    return TaskRun(
        id=task_run_id,
        name=name,
        task_key=task.task_key,
        dynamic_key=str(task_run_id),
        task_version=task.version,
        empirical_policy=TaskRunPolicy(retries=task.retries, retry_delay=task.retry_delay_seconds),
        expected_start_time=now,
        state_id=state.id,
        state_type=state.type,
        state_name=state.name,
        state=state,
        created=now,
        updated=now,
    )


def state_of(results: list[AttemptResult], *, retried: bool = False, planned: int = 0) -> State[Any]:
    """The Prefect state that says what came of a task run, in one line; `retried` after attempts that failed.

    Args:
        planned: how many tests it was made for: what had not begun may have gone to idle slots.
    """
    if any(result.rerun for result in results):
        # A plug-in's earlier attempts decide nothing.
        results = [result for result in results if not result.rerun]
        retried = True
    if not results:
        return Cancelled(message="stopped before its first test")
    if len(results) == 1 and planned <= 1:
        return _state_of_one(results[0], retried)
    failing = [result for result in results if result.status in (Status.FAILED, Status.ERROR)]
    bad = [result for result in failing if result.reason is not Reason.CANCELLED]
    stopped = [result for result in failing if result.reason is Reason.CANCELLED]
    if stopped and not bad:
        return Cancelled(message=f"{len(stopped)} of {len(results)} tests were stopped")
    if bad:
        return Failed(message=f"{len(bad)} of {len(results)} tests failed: {shown_name(bad[0].test_id)}")
    if planned > len(results):
        return Completed(name="Passed", message=f"{len(results)} of {planned} tests; the others did not begin here")
    return Completed(name="Passed", message=f"{len(results)} tests")


def _state_of_one(result: AttemptResult, retried: bool) -> State[Any]:
    message = _one_line(result)
    if result.reason is Reason.CANCELLED:
        return Cancelled(message=message)
    if result.reason is Reason.NODE_LOST:
        return Crashed(name=NODE_LOST, message=message)
    if result.status is Status.PASSED:
        return Completed(name="Flaky" if retried else "Passed", message=message)
    if result.status is Status.SKIPPED:
        return Completed(name="Skipped", message=message)
    return Failed(name=_STATE_NAMES.get(result.reason or Reason.INTERNAL, "Failed"), message=message)


def _one_line(result: AttemptResult) -> str:
    words = [f"attempt {result.attempt} on {result.node_id}: {result.status}"]
    if result.reason:
        words.append(f"({result.reason})")
    if result.error:
        words += gist(result.error, 1)
    return shown_name(" ".join(words))


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

    async def perform(self, work: Work, perform: Perform, task_run_id: UUID) -> None:
        """Run one piece of work as a task run; `perform` does what there is to do, once for each try."""
        # Each in a copy of its own: the engine sets context variables and leaves its client in them.
        carrying = _carry_out(TaskRunInput(work, perform), task_run_id)
        await asyncio.get_running_loop().create_task(carrying, context=self._context.copy())

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
