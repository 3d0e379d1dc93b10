"""What the Prefect API is told of a run's task runs: every state, in its order, by the driver alone.

Nodes send states home with their results. They wait here until there is an API to tell, and as long as it does not
answer; what a server cannot take at once it gets at the pace at which it records.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import httpx
import msgspec
from msgspec.structs import replace
from prefect.client.orchestration import PrefectClient
from prefect.events.related import related_resources_from_run_context
from prefect.states import Crashed

from pulseq.background import Background, any_set
from pulseq.errors import InfrastructureError
from pulseq.orchestration.prefect_client import open_client
from pulseq.orchestration.task_run_events import FINAL, Resource, event_of, final_state
from pulseq.orchestration.task_runs import NODE_LOST
from pulseq.protocol.from_node import TICK_SECONDS, TaskRunState

logger = logging.getLogger("pulseq.prefect")

#: So long after a state the API is told of it, with all that came meanwhile.
EVERY_SECONDS = 0.1
#: `Running` of a task run that has ended before it is this old is not told: nobody could see it, and a state is two
#: milliseconds of the server. The final state has the same start, end and run time without it.
SHORT_SECONDS = 0.1
#: Not `Retrying`, which says something of what came before.
HELD_NAME = "Running"
#: States in one request: some 300 kB.
AT_ONCE = 200
#: A server keeps ten thousand events that it has not recorded, and throws away what comes then: after each so many
#: states it is waited for.
UNRECORDED = 4_000
#: One that has recorded nothing new for so long is told the rest all the same.
STALL_SECONDS = 4.0
#: So many wait for an API that is away; it is told of others when the run is over, from the journal.
MOST_WAITING = 100_000
#: An API that answers and does not take it is asked so often at the end of a run.
MOST_TRIES = 3
_PAUSES = (0.25, 0.5, 1.0, 2.0)
_ASK_SECONDS = 0.25
_TRY_AGAIN = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})


Waiting = tuple[float, TaskRunState]


class Delivery:
    """Tells an API the states of the task runs of one run.

    Attributes:
        ended: how many task runs have come to their final state.
        troubled: whether the API has once not taken what it was told.
    """

    def __init__(self) -> None:
        self.ended = 0
        self.troubled = False
        self._waiting: list[Waiting] = []
        #: The last state of each task run that has not ended.
        self._open: dict[UUID, TaskRunState] = {}
        self._lost: set[UUID] = set()
        self._told_final = self._unrecorded = 0
        self._new = asyncio.Event()
        self._all_told = asyncio.Event()
        self._all_told.set()
        self._hurry = asyncio.Event()
        self._given_up = asyncio.Event()

    @property
    def known(self) -> int:
        """How many task runs there are, also those that have no end."""
        return self.ended + len(self._open)

    def put(self, state: TaskRunState) -> None:
        """A task run has come into a state; it is told when there is an API to tell."""
        if state.id in self._lost:
            return
        if state.state_type in FINAL:
            self.ended += 1
            self._open.pop(state.id, None)
        else:
            self._open[state.id] = state
        if len(self._waiting) >= MOST_WAITING:
            self.troubled = True
            return
        self._waiting.append((time.monotonic(), state))
        self._all_told.clear()
        self._new.set()

    def lose(self, task_runs: Iterable[UUID]) -> None:
        """The node of these task runs is lost: those that are open end so, whatever is said of them later."""
        for id in task_runs:
            if (last := self._open.get(id)) is not None:
                lost = final_state(id, last.name, Crashed(name=NODE_LOST, message="its node was lost"))
                # The API takes what is newer, and the clock of a node may be another one.
                at = max(lost.at, last.at + TICK_SECONDS)
                self.put(replace(lost, at=at, started_at=last.started_at, run_count=last.run_count))
                self._lost.add(id)

    @contextlib.asynccontextmanager
    async def telling(self, flow_run_id: str) -> AsyncIterator[None]:
        """Tell the API of the current context, as long as the block takes, that these are of a flow run of its."""
        background = Background(self._note_death)
        background.start(self._keep_telling(flow_run_id), "telling Prefect of task runs")
        try:
            yield
        finally:
            await background.end()

    def _note_death(self, name: str, error: BaseException) -> None:
        # No verdict depends on it: what Prefect has not been told is found out at the end.
        self.troubled = True
        self._given_up.set()
        logger.error("%s has failed", name, exc_info=error)

    async def all_told(self, patience_seconds: float) -> bool:
        """Until the API was told all that has come; False where it does not answer, or that takes too long."""
        self._hurry.set()
        await any_set(self._all_told, self._given_up, timeout_seconds=patience_seconds)
        return self._all_told.is_set()

    async def _keep_telling(self, flow_run_id: str) -> None:
        tries = 0
        related: list[Resource] = []
        while True:
            try:
                async with open_client() as client:
                    related = related or await _related(client)
                    while True:
                        await self._tell_next(client, flow_run_id, related)
                        tries = 0
            except InfrastructureError as error:
                self.troubled = True
                logger.debug("the API was not told: %s", error)
                if self._hurry.is_set() and (isinstance(error.__cause__, httpx.ConnectError) or tries >= MOST_TRIES):
                    self._given_up.set()
                await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1

    async def _tell_next(self, client: PrefectClient, flow_run_id: str, related: Sequence[Resource]) -> None:
        # Not `asyncio.wait_for`, here and elsewhere: Python 3.11's swallows a cancellation that comes with the event.
        await self._new.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY_SECONDS):
                await self._hurry.wait()
        self._new.clear()
        now = time.monotonic()
        due, self._waiting = sort_out(self._waiting, math.inf if self._hurry.is_set() else now - SHORT_SECONDS)
        try:
            while due:
                batch = [state for _, state in due[:AT_ONCE]]
                if await self._post(client, [event_of(state, related) for state in batch]):
                    self._told_final += sum(state.state_type in FINAL for state in batch)
                    self._unrecorded += len(batch)
                del due[:AT_ONCE]
                if self._unrecorded > UNRECORDED:
                    await self._let_record(client, flow_run_id)
        finally:
            self._waiting[:0] = due
            if self._waiting:
                self._new.set()  # what is held back, or was not taken
            else:
                self._all_told.set()

    async def _post(self, client: PrefectClient, events: list[dict[str, Any]]) -> bool:
        """Whether the API has taken them; where it has not, it would not another time."""
        body = msgspec.json.encode(events)
        try:
            await client._client.post("/events", content=body, headers={"Content-Type": "application/json"})
        except httpx.HTTPStatusError as error:
            if not error.response.is_client_error or error.response.status_code in _TRY_AGAIN:
                raise
            self.troubled = True
            logger.debug("the API does not take %d events: %s", len(events), error)
            return False
        return True

    async def _let_record(self, client: PrefectClient, flow_run_id: str) -> None:
        """Until every end that was told is recorded, and all states before it; or nothing new is."""

        async def count_missing() -> int:
            return self._told_final - await count_ended(client, flow_run_id)

        if not await wait_for_few(count_missing, 0):
            self.troubled = True
        self._unrecorded = 0


def sort_out(waiting: Sequence[Waiting], before: float) -> tuple[list[Waiting], list[Waiting]]:
    """What is due of states that came at these times, and what is held back; both in their order.

    Held back is `Running` that came later than `before`, as long as nothing follows it; of what ended within
    `SHORT_SECONDS` it never is told.
    """
    due: list[Waiting] = []
    held: list[Waiting] = []
    following: dict[UUID, TaskRunState] = {}
    for came, state in reversed(waiting):
        after = following.get(state.id)
        following[state.id] = state
        if state.state != HELD_NAME:
            due.append((came, state))
        elif after is None:
            (due if came <= before else held).append((came, state))
        elif after.state_type not in FINAL or after.at - state.at >= SHORT_SECONDS:
            due.append((came, state))
    return due[::-1], held[::-1]


async def _related(client: PrefectClient) -> list[Resource]:
    """What task runs belong to: the flow run of the current context, its flow, its deployment."""
    return [resource.model_dump() for resource in await related_resources_from_run_context(client)]


async def wait_for_few(count_missing: Callable[[], Awaitable[int]], few: int) -> bool:
    """Until an API lacks no more than so many; False where it has recorded nothing new for `STALL_SECONDS`."""
    loop = asyncio.get_running_loop()
    missing, progress_at = await count_missing(), loop.time()
    while missing > few:
        if loop.time() - progress_at >= STALL_SECONDS:
            return False
        await asyncio.sleep(_ASK_SECONDS)
        before, missing = missing, await count_missing()
        progress_at = loop.time() if missing < before else progress_at
    return True


async def count_ended(client: PrefectClient, flow_run_id: str) -> int:
    """How many task runs of a flow run have a final state at the API."""
    query = {
        "flow_runs": {"id": {"any_": [flow_run_id]}},
        "task_runs": {"state": {"type": {"any_": sorted(FINAL)}}},
    }
    return int((await client._client.post("/task_runs/count", json=query)).json())
