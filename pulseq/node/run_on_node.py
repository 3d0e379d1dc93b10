"""One run on a node: its task runs, its pytest sessions, what it has to say."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
from msgspec.structs import replace

from pulseq.background import Background
from pulseq.blotting import blot_texts
from pulseq.execution.executor import Executor
from pulseq.execution.pytest_lines import AskNext
from pulseq.execution.pytest_session import PytestSession
from pulseq.models import AttemptOrder, AttemptResult, Key, Reason
from pulseq.node.machine_failures import Kills, MachineMemory, MachineWant
from pulseq.node.node_slots import DispatchUnderWay, NextItems, NodeSlots, Place
from pulseq.node.path_translation import PathTranslation
from pulseq.node.surroundings import Surroundings
from pulseq.node.telling import AttemptEnds, Outbox
from pulseq.orchestration.task_runs import TaskRuns
from pulseq.protocol.from_node import (
    AttemptEnd,
    AttemptStart,
    DispatchDone,
    MachineLacks,
    NextAsked,
    NodeFailed,
    NodeMessage,
    SessionEnd,
    TestsGivenBack,
)
from pulseq.protocol.to_node import (
    CancelRun,
    DropArtifacts,
    GiveBackTests,
    NoNext,
)
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work
from pulseq.pytest_sessions import Collection, PytestOrder, PytestSpec

T = TypeVar("T")

#: How long cancelled bodies may take to end; their keepers are quicker, grace included.
CANCEL_TIMEOUT_SECONDS = 5.0
#: What is told is on its way this much later, should this process be killed then.
TOLD_SECONDS = 0.05


class RunOwner(Protocol):
    """The node that a run is on, as far as the run needs it; `NodeAgent` is one."""

    node_id: str
    slots: int
    node_slots: NodeSlots
    temp_root: Path
    first_worker: int
    shared: Path | None
    machine_slots: int
    python: str | None

    def send(self, run_id: str, messages: list[NodeMessage]) -> None: ...
    def note_leaked(self, processes: int) -> None: ...
    def note_death(self, name: str, error: BaseException) -> None: ...
    async def executor_for(self, surroundings: Surroundings) -> Executor: ...


class RunOnNode:
    """One run on this node; `paths` is set where its project is in a workspace.

    Attributes:
        want: what its machine lacks for tests.
    """

    def __init__(
        self, agent: RunOwner, run_id: str, surroundings: Surroundings, paths: PathTranslation | None = None
    ) -> None:
        self.run_id = run_id
        self._surroundings = surroundings
        self._paths = paths
        self._agent = agent
        self._task_runs = TaskRuns(self.tell)
        self._sessions: dict[PytestSpec, PytestSession] = {}
        self._places: dict[str, Place] = {}
        self._next_items = NextItems(agent.node_slots, self._ask_next)
        #: Asked back of dispatches that have not come yet.
        self._not_to_run: dict[str, frozenset[Key]] = {}
        self._outbox: Outbox[NodeMessage] = Outbox(self._send)
        self._reports = 0
        #: Attempts that plug-ins have made in a task run, by its id.
        self._reruns: dict[str, Counter[Key]] = {}
        self._memory = MachineMemory()
        self._cancelled = False
        self._stoppers: set[Callable[[], None]] = set()
        self._background = Background(agent.note_death)
        place = None if paths is None else paths.place
        self.want = MachineWant(
            agent.temp_root, place, lambda what: self.tell(MachineLacks(what)), Background(agent.note_death)
        )
        self._ends = AttemptEnds(
            lambda message, busy: self.tell(message, busy=busy),
            agent.temp_root,
            self._background,
            surroundings.blotter,
        )
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """Get ready for dispatches; returns when that is done, also by another call."""
        await self._task_runs.open()

    async def do(self, message: GiveBackTests | NoNext | DropArtifacts | CancelRun) -> None:
        """Do what the driver asks of a run that is under way."""
        match message:
            case GiveBackTests():
                await self.give_back(message.key, message.tests)
            case NoNext():
                self._next_items.note_decline(message)
            case DropArtifacts(sha256s):
                await self._ends.kept.drop(sha256s)
            case CancelRun():
                await self.cancel()

    async def handle(self, dispatch: Dispatch) -> None:
        """Run all of a dispatch, one task run after the other, as soon as there is a slot for it."""
        trouble: str | None = None
        if self._paths is not None:
            dispatch = self._paths.dispatch_here(dispatch)
        under_way = DispatchUnderWay(dispatch, self._not_to_run.pop(dispatch.key, frozenset()))
        place = Place(under_way, dispatch.priority, self.run_id, lambda: self._give_back(dispatch))
        self._places[dispatch.key] = place
        self._idle.clear()
        try:
            await self._take_turn(place, dispatch)
            await self._spare(dispatch)
            for work, task_run_id in under_way:
                if self._cancelled:
                    break
                await self._task_runs.perform(work, partial(self._perform, dispatch.key, place, work), task_run_id)
                await self._spare(dispatch)
        except Exception as error:  # noqa: BLE001 - whatever a part of ours does, the driver has to hear of it
            trouble = f"{type(error).__name__}: {error}"
        finally:
            async with under_way.asking:
                del self._places[dispatch.key]
                self.tell(DispatchDone(dispatch.key, trouble))
            self._outbox.flush()
            self._next_items.forget(dispatch.key)
            self._agent.node_slots.leave(place)
            if not self._places:
                self._idle.set()

    async def _take_turn(self, place: Place, dispatch: Dispatch) -> None:
        self._agent.node_slots.enter(place, self._places.get(dispatch.after or ""))
        self._next_items.note_arrival(dispatch.key, dispatch.after)
        if not self._cancelled:
            await place.turn.wait()

    async def _spare(self, dispatch: Dispatch) -> None:
        """Give back what of a dispatch has not begun where the machine lacks something that each test needs."""
        if self.want.look() is not None:
            await self.give_back(dispatch.key, dispatch.keys)

    @property
    def dispatches(self) -> int:
        """How many are being run."""
        return sum(place.has_slot for place in self._places.values())

    def _ask_next(self, key: str, taken: bool) -> None:
        self.tell(NextAsked(key, frozenset(self._places), taken))
        self._outbox.flush()

    async def give_back(self, key: str, tests: frozenset[Key]) -> None:
        """Give back those of these tests, the last ones of a dispatch, that have not begun, and tell which."""
        place = self._places.get(key)
        if place is None:
            # It has not come yet. Or it is over: then that was told before this is.
            self._not_to_run[key] = self._not_to_run.get(key, frozenset()) | tests
            self.tell(TestsGivenBack(key, tuple(tests)))
        else:
            under_way = place.under_way
            async with under_way.asking:
                given = under_way.give_back(tests)
                if isinstance(under_way.begun, PytestWork) and (orders := under_way.orders_of(tests)):
                    back = await self._session(under_way.begun.spec).take_back(orders)
                    given += [order.key for order in back]
                self.tell(TestsGivenBack(key, tuple(given)))
        self._outbox.flush()

    def _give_back(self, dispatch: Dispatch) -> None:
        """Let the driver have what of a dispatch has not begun: another run has a better right to its slot."""
        if dispatch.key in self._places and len(dispatch.keys) > 1:
            self._background.start(self.give_back(dispatch.key, dispatch.keys), f"giving back dispatch {dispatch.key}")

    async def _perform(self, key: str, place: Place, work: Work, retry: int, task_run: str) -> list[AttemptResult]:
        """One go at a piece of work of a dispatch; called by its Prefect task, once per try."""
        if isinstance(work, PytestWork):
            # Asked what its slot runs after the last batch of the dispatch that was begun.
            ask_next = partial(self._next_items.find, key, place, work.spec)
            return await self._perform_items(work, retry, task_run, ask_next)
        return [await self._perform_test(work, retry, task_run)]

    async def _perform_test(self, work: TestWork, retry: int, task_run: str) -> AttemptResult:
        attempt = work.attempt + retry
        kills = self._memory.kills()
        before = await self._ends.note_files(work.test)
        self.tell(AttemptStart(work.test.id, work.test.variant, attempt, task_run))
        if work.suspect:
            await self._see_told()
        around = self._surroundings
        order = AttemptOrder(self.run_id, work.test, attempt, work.timeout_seconds, around.variables, around.secrets)
        running = await (await self._agent.executor_for(around)).start_attempt(order)
        outcome = asyncio.ensure_future(running.result())
        with self._stoppable(lambda: running.stop(Reason.CANCELLED)):
            try:
                result = self._judge(await asyncio.shield(outcome), kills)
            except asyncio.CancelledError:
                # Prefect's timeout, since something hangs on the way: the body ends first, then the task run does.
                running.stop(Reason.TIMEOUT)
                late = await _see_through(outcome)
                with anyio.CancelScope(shield=True):
                    await self._ends.tell_test(work.test, late, before, running.left)
                raise
        await self._ends.tell_test(work.test, result, before, running.left)
        return result

    def _judge(self, result: AttemptResult, kills: Kills) -> AttemptResult:
        return self.want.judge(self._memory.judge(result, kills))

    async def _perform_items(
        self, work: PytestWork, retry: int, task_run: str, ask_next: AskNext
    ) -> list[AttemptResult]:
        results: list[AttemptResult] = []
        made = self._reruns.setdefault(task_run, Counter())
        orders = [
            replace(order, attempt=order.attempt + retry + made[order.key]) if retry else order for order in work.orders
        ]
        busy = len(orders) > 1
        kills = self._memory.kills()
        left: dict[Key, str] = {}

        def on_start(order: PytestOrder) -> None:
            self.tell(AttemptStart(order.test_id, order.variant, order.attempt, task_run), busy=busy)

        def on_result(result: AttemptResult) -> None:
            nonlocal kills
            result = self._judge(result, kills)
            if result.reason in (Reason.CRASH, Reason.NODE_LOST, Reason.MEMORY):
                kills = self._memory.kills()  # the next one in this pack is not ended by the same kill
            if result.rerun:
                made[result.key] += 1
            else:
                results.append(result)
            self._ends.tell_item(result, work.spec.artifacts, left.pop(result.key, None), busy=busy)

        def on_left(result: AttemptResult, place: str) -> None:
            left[result.key] = place

        session = self._session(work.spec)
        if work.suspect:
            on_start(orders[0])
            await self._see_told()

        def stop() -> None:
            self._background.start(session.stop(frozenset(orders), Reason.CANCELLED), "ending pytest items")

        with self._stoppable(stop):
            fresh = work.fresh or retry > 0
            try:
                await session.run_items(
                    orders, on_start=on_start, on_result=on_result, on_left=on_left, fresh=fresh, ask_next=ask_next
                )
            finally:
                with anyio.CancelScope(shield=True):
                    await self._ends.settle(work.keys)
        return results

    def _session(self, spec: PytestSpec) -> PytestSession:
        if spec not in self._sessions:
            self._sessions[spec] = PytestSession(
                spec,
                node_id=self._agent.node_id,
                temp_root=self._agent.temp_root,
                slots=self._agent.slots,
                on_late=lambda result, left: self._ends.tell_item(result, spec.artifacts, left),
                first_worker=self._agent.first_worker,
                shared=self._agent.shared,
                machine_slots=self._agent.machine_slots,
                default_python=self._agent.python or sys.executable,
                environment=self._surroundings.base,
                variables=self._surroundings.variables,
                blotter=self._surroundings.blotter,
            )
        return self._sessions[spec]

    async def collect(self, spec: PytestSpec) -> Collection:
        """What the pytest session of `spec` holds; collected here once."""
        collection = await self._session(spec if self._paths is None else self._paths.spec_here(spec)).collect()
        collection = self.want.judge_collection(collection)
        return self._blot(collection if self._paths is None else self._paths.collection_home(collection))

    async def read_artifact(self, sha256: str, offset: int, length: int) -> bytes | None:
        """A part of what an attempt left; None where it is not here."""
        return await self._ends.kept.read(sha256, offset, length)

    def awaits_artifacts(self, within_seconds: float) -> bool:
        """See `KeptArtifacts.are_awaited`."""
        return self._ends.kept.are_awaited(within_seconds)

    async def finish_sessions(self) -> int:
        """End the pytest sessions, and tell what came of it; how many reports the driver was sent until then."""
        sessions = list(self._sessions.items())
        for (spec, _), result in zip(
            sessions, await asyncio.gather(*(session.finish() for _, session in sessions)), strict=True
        ):
            if result is not None:
                self.tell(SessionEnd(spec.entry, result))
        await self._ends.settle()
        self._outbox.flush()
        return self._reports

    async def cancel(self) -> None:
        """End every body of this run on this node; each attempt says `cancelled`."""
        self._cancelled = True
        self._next_items.give_up()
        for place in self._places.values():
            place.turn.set()
        for stop in list(self._stoppers):
            stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_TIMEOUT_SECONDS):
                await self._idle.wait()

    @contextlib.contextmanager
    def _stoppable(self, stop: Callable[[], None]) -> Iterator[None]:
        self._stoppers.add(stop)
        if self._cancelled:
            stop()
        try:
            yield
        finally:
            self._stoppers.discard(stop)

    def _send(self, messages: list[NodeMessage]) -> None:
        self._reports += 1
        self._agent.send(self.run_id, messages)

    async def _see_told(self) -> None:
        """Until the driver knows what it was told, whatever becomes of this process now."""
        self._outbox.flush()
        await asyncio.sleep(TOLD_SECONDS)

    def tell(self, message: NodeMessage, *, busy: bool = False) -> None:
        """Queue a message to the driver; a `busy` one is of a pack, whose next may come at any moment."""
        if isinstance(message, AttemptEnd):
            self._agent.note_leaked(message.result.leaked_processes)
        told = message if self._paths is None else self._paths.bring_home(message)
        self._outbox.put(self._blot(told), busy=busy)

    def tell_failure(self, why: str) -> None:
        """Tell the driver at once that this node has failed."""
        self.tell(NodeFailed(why))
        self._outbox.flush()

    def _blot(self, value: T) -> T:
        blotter = self._surroundings.blotter
        return value if blotter is None else blot_texts(value, blotter)

    async def close(self) -> None:
        await self.want.close()
        await self.cancel()
        for session in self._sessions.values():
            await session.close()
        await self._ends.close()
        await self._task_runs.close()
        self._outbox.flush()


async def _see_through(outcome: asyncio.Future[AttemptResult]) -> AttemptResult:
    # Shielded: Prefect's timeout delivers its cancellation again and again for as long as it is awaited.
    with anyio.CancelScope(shield=True):
        await asyncio.wait({outcome})
    return outcome.result()
