"""From the queue to the nodes and back: what is picked is sent, what comes home is booked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from pulseq.background import Background
from pulseq.capabilities import match, nearest_miss
from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.node_client import NodeClient
from pulseq.events import Event, NodeJoined, NodeLost, RunNote, SessionFinished
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, PytestSpec, Reason, TestCase
from pulseq.orchestration.delivery import Delivery
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.from_node import (
    AttemptEnd,
    AttemptStart,
    CasesFound,
    DispatchDone,
    NextAsked,
    NodeMessage,
    SessionEnd,
    TaskRunState,
    TestsRecalled,
    decode_report,
)
from pulseq.run.command_cases import CommandCases
from pulseq.run.expansion import session_row
from pulseq.run.flights import Flights, begun_of
from pulseq.run.ledger import Begun, Key, Ledger, Next
from pulseq.run.node_door import NodeDoor
from pulseq.run.promises import Promises
from pulseq.run.queue_times import QueueTimes
from pulseq.run.recalls import Recalls
from pulseq.run.run_queue import RunQueue
from pulseq.run.work_orders import build_dispatch

logger = logging.getLogger("pulseq.dispatch")


@dataclass(slots=True)
class Dispatcher:
    """Keeps every free slot busy until each test has its verdict.

    Args:
        emit: takes each event as it becomes true (journal, view).
        queue: decides what goes where.
        held: whether the end waits for `release` although every test has its verdict.
    """

    run_id: str
    cluster: Cluster
    runner: NodeClient
    ledger: Ledger
    emit: Callable[[Event], None]
    queue: RunQueue
    max_failures: int | None = None
    specs: dict[str, PytestSpec] = field(default_factory=dict)
    entries: dict[str, TestCase] = field(default_factory=dict)
    held: bool = False
    delivery: Delivery = field(default_factory=Delivery)
    _flights: Flights = field(default_factory=Flights)
    _door: NodeDoor = field(init=False)
    #: Nodes that get nothing more, and whose end is no loss.
    _drained: set[str] = field(default_factory=set)
    _times: QueueTimes = field(default_factory=QueueTimes)
    _recalls: Recalls = field(init=False)
    _promises: Promises = field(init=False)
    _cases: CommandCases = field(init=False)
    _dispatched: int = 0
    _admitting: bool = True
    _error: Exception | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    background: Background = field(default_factory=Background)

    def __post_init__(self) -> None:
        self._door = NodeDoor(self.run_id, self.cluster, self.runner, self._let_in, self._leave_out)
        self._cases = CommandCases(self.ledger)
        self._recalls = Recalls(self._flights, self.queue, self._ask_back)
        self._promises = Promises(self._flights, self.queue, self.ledger, self._send, self._decline)

    def _ask_back(self, key: str, node_id: str, tests: list[Key]) -> None:
        if node := self.cluster.nodes.get(node_id):
            recalling = self.runner.recall(self.run_id, node.address, key, tests)
            self.background.start(recalling, f"asking node {node_id} for tests")

    def _decline(self, key: str, node_id: str, coming: str | None) -> None:
        if node := self.cluster.nodes.get(node_id):
            self.background.start(
                self.runner.no_next(self.run_id, node.address, key, coming), f"answering node {node_id}"
            )

    def plan(self, case: TestCase) -> None:
        """Accept a test, or an entry that will become tests."""
        self._emit_all(self.ledger.plan(case))

    def expand(self, entry: TestCase, count: int) -> None:
        """An entry has become `count` tests, which are planned by themselves."""
        self._emit_all(self.ledger.expand(entry.key, count))

    def close(self, case: TestCase, reason: Reason, error: str, node_id: str | None = None) -> None:
        """End a test that cannot be run at all."""
        self._emit_all(self.ledger.close(case.key, reason, error, node_id))

    def book_collected(self, case: TestCase, result: AttemptResult) -> None:
        """A test whose verdict is there with its collection."""
        self.plan(case)
        self.ledger.sent(case.key, result.node_id)
        self._emit_all(self.ledger.finish(result, in_place=True)[0])
        self._heed_failures()

    def accept(self, case: TestCase) -> None:
        """Plan a test and queue it."""
        self.plan(case)
        self._times.note_ready(case.key)
        self._enqueue(case.key)
        self._changed.set()

    def _enqueue(self, key: Key, *, alone: bool = False) -> None:
        self.queue.add(self.ledger.case(key), alone=alone, avoid=self.ledger.lost_on(key))

    def add_node(self, node: LiveNode) -> None:
        """A node has joined: let it take tests as soon as it knows the run."""
        self.emit(NodeJoined(node.id, node.host, node.slots, node.capabilities))
        self._drained.discard(node.id)
        self.background.start(self._door.open(node), f"letting node {node.id} in")

    def _let_in(self, node: LiveNode) -> None:
        self.queue.node_joined(node.id, node.slots, node.capabilities)
        self._changed.set()

    def _leave_out(self, node: LiveNode, why: str) -> None:
        self.emit(RunNote(f"node {node.id} cannot take part: {why}"))
        self._changed.set()

    async def begin(self) -> None:
        """Let all nodes take tests."""
        self._times.begin()
        await self._door.open_all()

    def lose_node(self, node_id: str, why: str) -> None:
        """A node is gone: what it had starts again elsewhere, or ends."""
        if node_id not in self._drained:
            self.emit(NodeLost(node_id, why))
        slots = self._door.close(node_id)
        self.queue.node_left(node_id)
        lost = self._flights.land_node(node_id)
        for flight in lost:
            self.delivery.lose(flight.on_lost_node())
        tests = {key: test for flight in lost for key, test in flight.tests.items()}
        self._lose_tests(tests, begun_of(lost, slots), why)
        self._changed.set()

    async def drain_node(self, node_id: str) -> None:
        """Give a node nothing more, and wait until all that it has is done and told; its end is then no loss."""
        self.retire_node(node_id)
        while self._flights.is_on(node_id):
            self._changed.clear()
            await self._changed.wait()
        if node := self.cluster.nodes.get(node_id):
            with contextlib.suppress(OSError):  # it has gone by itself
                await self.runner.leave_run(self.run_id, [node.address])

    def retire_node(self, node_id: str) -> None:
        """Give a node nothing more, for good."""
        self._drained.add(node_id)
        self.queue.set_open(node_id, False)

    def hold_node(self, node_id: str) -> None:
        """Give a node nothing more for now; what it has goes on."""
        self.queue.set_open(node_id, False)

    def reopen_node(self, node_id: str) -> None:
        """Let a node that was held have tests again, unless it is being drained."""
        if node_id not in self._drained:
            self.queue.set_open(node_id, True)
            self._changed.set()

    def _lose_tests(self, tests: Mapping[Key, QueuedTest], begun: Mapping[Key, Begun], why: str) -> None:
        lost = self.ledger.lose(begun, why)
        self._emit_all(lost.events)
        if not self._admitting:
            return
        for key in lost.alone:
            self._times.note_ready(key)
            self._enqueue(key, alone=True)
        for key in lost.apart:
            self._times.note_ready(key)
            self.queue.add_again(tests[key].apart(self.ledger.lost_on(key)))
        for key in lost.again:
            self._times.note_ready(key)
            self.queue.add_again(tests[key])

    async def run(self) -> None:
        """Until every test has its verdict, and further ones are not waited for."""
        while self.ledger.open or self.held:
            self._changed.clear()
            if self._error is not None:
                raise self._error
            if self._admitting:
                self._end_homeless(self.queue.end_homeless(time.monotonic()))
                for pick in self.queue.picks():
                    self._send(pick)
            self._promises.answer(admitting=self._admitting)  # after what is idle has had its own
            if self._admitting:
                self._recalls.look(time.monotonic())
            elif not self._flights:
                return
            if self.ledger.open or self.held:  # what no node fits may have been the last
                await self._wait()

    def release(self) -> None:
        """Wait for no further tests."""
        self.held = False
        self._changed.set()

    async def _wait(self) -> None:
        ends = (self.queue.seconds_left(time.monotonic()), self._recalls.seconds_left())
        timeout = min((one for one in ends if one is not None), default=None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)

    def end_unsatisfiable(self, keys: Iterable[Key]) -> None:
        """End tests that no node fits, with the nearest miss."""
        offers = {node.id: node.capabilities for node in self.cluster.nodes.values()}
        for key in keys:
            why = nearest_miss(self.ledger.case(key).requirements, offers) if offers else "no node is left"
            self._emit_all(self.ledger.close(key, Reason.UNSATISFIABLE, why))

    def _end_homeless(self, keys: Iterable[Key]) -> None:
        """End tests that no node fits, or none that can take part; one that is still to learn of the run may."""
        for key in keys:
            fitting = self.fits(self.ledger.case(key))
            if not fitting:
                self.end_unsatisfiable([key])
            elif all(node.id in self._door.unable for node in fitting):
                why = "; ".join(f"{node.id}: {self._door.unable[node.id]}" for node in fitting)
                self._emit_all(self.ledger.close(key, Reason.INTERNAL, f"no node that fits can take part ({why})"))
            else:
                self._enqueue(key, alone=self.ledger.is_suspect(key))

    def _send(self, pick: Pick, after: str | None = None) -> None:
        self._dispatched += 1
        node = self.cluster.nodes.get(pick.node_id)
        for test in pick.tests:
            self.ledger.sent(test.key, pick.node_id)
        if node is None:  # it left between two turns of the loop; lose_node has been or will be told
            self.queue.node_left(pick.node_id)
            for test in pick.tests:
                self.queue.add_again(test)
            return
        key = str(self._dispatched)
        dispatch, flight = build_dispatch(key, self.run_id, pick, self.ledger, self.specs, after=after)
        self._flights.add(key, flight)
        logger.debug("dispatch %s with %s goes to %s", key, [*flight.task_runs.values()], node.id)
        self.runner.send(dispatch, node.address, priority=dispatch.priority, on_trouble=self._trouble)

    def receive(self, event: tuple[float, dict[str, Any]]) -> None:
        """Messages of a node, by way of the run's topic."""
        try:
            report = decode_report(event[1]["report"])
            node = self.cluster.nodes.get(report.node_id)
            if node is None or node.incarnation != report.incarnation:
                logger.debug("node %s was taken for lost before it said this", report.node_id)
                return
            for message in report.messages:
                self._take(report.node_id, message)
        except Exception as error:  # noqa: BLE001 - Dask would log it and go on; the run would wait for ever
            self._error = error
        self._changed.set()

    def _take(self, node_id: str, message: NodeMessage) -> None:
        match message:
            case AttemptStart():
                key = (message.test_id, message.variant)
                self._flights.begin(key, message.task_run)
                self._emit_all(self.ledger.start(key, message.attempt, node_id, message.task_run))
            case CasesFound():
                self._cases.take(message)
            case AttemptEnd(result):
                self._book(self._times.with_queue_time(result))
            case TaskRunState():
                self.delivery.put(message)
            case DispatchDone():
                self._land(message)
            case SessionEnd():
                self._end_session(node_id, message)
            case NextAsked():
                self._promises.ask(node_id, message)
            case TestsRecalled():
                for test in self._recalls.take(message, self.ledger):
                    if self._admitting:
                        self.queue.add_again(test)

    def _end_session(self, node_id: str, end: SessionEnd) -> None:
        """A pytest session is over on a machine; one that failed by itself is a row."""
        found = end.result
        self.emit(SessionFinished(end.entry, node_id, *structs.astuple(found)))
        if found.error is not None and end.entry in self.entries:
            self.book_collected(*session_row(self.entries[end.entry], node_id, found))

    def _book(self, result: AttemptResult) -> None:
        in_place = self._flights.is_in_place(result.key)
        if self._cases.has(result.key):
            told, over = self._cases.book(result)
            self._emit_all(told)
            if over:
                self._flights.drop(result.key)
                self._heed_failures()
                return
        if (queued := self._flights.find(result.key)) is not None and result.reason not in INFRASTRUCTURE_REASONS:
            self.queue.learn(queued, result.duration)
        events, following = self.ledger.finish(result, in_place=in_place)
        self._emit_all(events)
        if following in (Next.CLOSED, Next.RETRY_ALONE):
            self._flights.drop(result.key)
        if following is Next.RETRY_ALONE and self._admitting:
            self._requeue_later(result.key)
        self._heed_failures()

    def _heed_failures(self) -> None:
        if self.max_failures is not None and self.ledger.failures >= self.max_failures and self._admitting:
            count = self.ledger.failures
            self.emit(RunNote(f"stopping after {count} {'failure' if count == 1 else 'failures'}"))
            self.stop_admitting()
            self.cancel_soon()

    def _requeue_later(self, key: Key) -> None:
        if delay := self.ledger.case(key).retry_delay_seconds:
            self.background.later(delay, self._requeue, key)
        else:
            self._requeue(key)

    def _requeue(self, key: Key) -> None:
        if self._admitting and self.ledger.is_open(key):
            self._times.note_ready(key)
            self._enqueue(key, alone=True)
            self._changed.set()

    def _land(self, message: DispatchDone) -> None:
        flight = self._flights.land(message.key)
        if flight is None:
            return
        if not self._flights.hand_on(message.key, flight):
            self.queue.slot_freed(flight.node_id)
        for key in flight.tests:
            if self.ledger.knows(key) and self.ledger.is_open(key):
                self._end_unreported(key, message.trouble)

    def _end_unreported(self, key: Key, trouble: str | None) -> None:
        if not self._admitting:
            self._emit_all(self.ledger.close(key, Reason.CANCELLED, "the run was stopped before this test had run"))
            return
        why = trouble or "its dispatch ended without a result for it"
        self._emit_all(self.ledger.close(key, Reason.INTERNAL, f"the node could not run this test: {why}"))

    def _trouble(self, key: str, why: str) -> None:
        self._land(DispatchDone(key, why))
        self._changed.set()

    def stop_admitting(self) -> None:
        """Send nothing more; what runs goes on until it ends or is cancelled."""
        self._admitting = False
        self._changed.set()

    def abandon(self) -> None:
        """Wait no longer for what is under way: nobody is there, or it does not end."""
        self._flights.clear()
        self._changed.set()

    def cancel_soon(self) -> None:
        """End what runs, on every node, without waiting for it."""
        if self._door.is_open:
            self.background.start(self._cancel(), "ending what runs")

    async def _cancel(self) -> None:
        addresses = [node.address for node in self.cluster.nodes.values()]
        with contextlib.suppress(OSError):  # what is gone needs no cancelling
            await self.runner.cancel_run(self.run_id, addresses)

    def close_open(self, why: str) -> None:
        """Give every test that has no verdict the verdict `cancelled`."""
        self.queue.withdraw()
        for key in self.ledger.open_keys():
            self._emit_all(self.ledger.close(key, Reason.CANCELLED, why))

    def fits(self, case: TestCase, gone: AbstractSet[str] = frozenset()) -> list[LiveNode]:
        """The nodes of now that a test fits, but for those at addresses that are known to be dead."""
        nodes = (node for node in self.cluster.nodes.values() if node.address not in gone)
        return [node for node in nodes if match(case.requirements, node.capabilities).fits]

    async def wait_for_nodes(self, case: TestCase, gone: AbstractSet[str]) -> list[LiveNode]:
        """As `fits`; where no such node is left, waits `node_timeout` for one to come back."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.queue.config.node_timeout):
                while not self.fits(case, gone):
                    self._changed.clear()
                    await self._changed.wait()
        return self.fits(case, gone)

    async def settle(self) -> None:
        """Until nothing of ours is under way any more."""
        await self.background.settle()

    def _emit_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.emit(event)
            for following in self._cases.follow(event):
                self.emit(following)
        self._changed.set()  # it may have been the last that was waited for
