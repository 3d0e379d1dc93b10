"""From the queue to the nodes and back: what is picked is sent, what comes home is booked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from pulseq.background import Background
from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.node_client import NodeClient
from pulseq.events import Event, RunNote, SessionFinished
from pulseq.marks import MarkState, NodeMark
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Key, Reason, TestCase
from pulseq.orchestration.delivery import Delivery
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.from_node import (
    AttemptEnd,
    AttemptStart,
    CasesFound,
    DispatchDone,
    MachineLacks,
    NextAsked,
    NodeFailed,
    NodeMessage,
    PrepareOutput,
    SessionEnd,
    TaskRunState,
    TestsGivenBack,
)
from pulseq.protocol.to_node import NoNext
from pulseq.pytest_sessions import PytestSpec
from pulseq.run.callers_variables import CallersVariables
from pulseq.run.command_cases import CommandCases
from pulseq.run.expansion import session_row
from pulseq.run.in_flight import DispatchInFlight, InFlight, begun_of, build_dispatch
from pulseq.run.incoming import Incoming
from pulseq.run.ledger import Ledger, Next
from pulseq.run.prefetch import Prefetch
from pulseq.run.run_nodes import RunNodes
from pulseq.run.run_queue import RunQueue
from pulseq.run.shipping import Shipping
from pulseq.run.work_stealing import WorkStealing

logger = logging.getLogger("pulseq.dispatch")


@dataclass(slots=True)
class Dispatcher:
    """Keeps every free slot busy until each test has its verdict.

    Args:
        queue: decides what goes where.
        on_left: called, once its result is booked, with each end of an attempt that left artifacts on its node.
        shipping: brings the run's project to nodes that get it.
        held: whether the end waits for `release` although every test has its verdict.
        variables: what bodies have of the caller's.

    Attributes:
        specs, entries: the pytest sessions of the run and what they are of, by the ids of their entries.
    """

    run_id: str
    cluster: Cluster
    runner: NodeClient
    ledger: Ledger
    queue: RunQueue
    max_failures: int | None = None
    specs: dict[str, PytestSpec] = field(default_factory=dict)
    entries: dict[str, TestCase] = field(default_factory=dict)
    held: bool = False
    variables: CallersVariables = field(default_factory=CallersVariables)
    shipping: Shipping | None = None
    delivery: Delivery = field(default_factory=Delivery)
    on_left: Callable[[str, AttemptEnd], None] = lambda node_id, end: None
    nodes: RunNodes = field(init=False)
    in_flight: InFlight = field(default_factory=InFlight)
    _stealing: WorkStealing = field(init=False)
    _prefetch: Prefetch = field(init=False)
    _asked: list[tuple[str, NextAsked]] = field(default_factory=list)
    #: As soon as a node has told of some.
    _cases: CommandCases | None = None
    _incoming: Incoming = field(init=False)
    _dispatched: int = 0
    _admitting: bool = True
    #: How many are adding tests piece by piece.
    _adding: int = 0
    _error: Exception | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    background: Background = field(default_factory=Background)

    def __post_init__(self) -> None:
        self.ledger.on_told = self._follow
        self.nodes = RunNodes(
            self.run_id,
            self.cluster,
            self.runner,
            self.queue,
            self.in_flight,
            self._changed,
            self.ledger.tell,
            self.shipping,
            self.variables,
        )
        tell, blotter = self.ledger.tell, self.variables.blotter()
        self._incoming = Incoming(self.cluster, self.nodes.clocks, tell, self.give_up, blotter)
        self._stealing = WorkStealing(self.in_flight, self.queue, self._ask_back)
        steal = self._stealing.ask_for
        self._prefetch = Prefetch(self.in_flight, self.queue, self.ledger, steal, self._send, self._decline)

    def _follow(self, event: Event) -> None:
        if self._cases is not None:
            self._cases.follow(event)
        self._changed.set()  # it may have been the last that was waited for

    def _ask_back(self, key: str, node_id: str, tests: list[Key]) -> None:
        if node := self.cluster.nodes.get(node_id):
            asking = self.runner.ask_back(self.run_id, node.address, key, tests)
            self.background.start(asking, f"asking node {node_id} for tests")

    def _decline(self, node_id: str, answer: NoNext) -> None:
        if node := self.cluster.nodes.get(node_id):
            self.background.start(self.runner.no_next(self.run_id, node.address, answer), f"answering node {node_id}")

    def accept(self, case: TestCase) -> None:
        """Plan a test and queue it."""
        if self.ledger.plan(case):
            self._enqueue(case.key)

    def book_collected(self, case: TestCase, result: AttemptResult) -> None:
        """A test whose verdict is there with its collection."""
        if self.ledger.plan(case):
            self.ledger.sent(case.key, result.node_id)
        self.ledger.finish(result, in_place=True)
        self._heed_failures()

    def _enqueue(self, key: Key, *, alone: bool = False) -> None:
        self.ledger.note_ready(key)
        self.queue.add(self.ledger.case(key), alone=alone, avoid=self.ledger.test(key).lost_on)
        self._changed.set()

    def heed_mark(self, mark: NodeMark) -> None:
        """A node is to have nothing more, or tests again; what one that is drained has not begun is taken back."""
        self.nodes.heed(mark)
        if mark.state is MarkState.DRAINING:
            self._stealing.take_back(mark.node_id)

    async def begin(self) -> None:
        """Let all nodes take tests."""
        self.ledger.begin()
        await self.nodes.begin()

    def lose_node(self, node_id: str, why: str) -> None:
        """A node is gone: what it had starts again elsewhere, or ends."""
        slots = self.nodes.leave(node_id)
        dispatches = self.in_flight.lose_node(node_id)
        for dispatch in dispatches:
            self.delivery.lose(dispatch.task_runs)
        expected = self.nodes.is_retired(node_id)
        lost = self.ledger.lose_node(node_id, begun_of(dispatches, slots), why, expected=expected)
        tests = {key: test for dispatch in dispatches for key, test in dispatch.tests.items()}
        tests |= {key: tests[key].apart(self.ledger.test(key).lost_on) for key in lost.apart}
        if self._admitting:
            for key in lost.alone:
                self._enqueue(key, alone=True)
            for key in (*lost.apart, *lost.again):
                self.ledger.note_ready(key)
                self.queue.add_again(tests[key])
        self._changed.set()

    async def run(self) -> None:
        """Until every test has its verdict, and further ones are not waited for."""
        while self._goes_on:
            self._changed.clear()
            if self._error is not None:
                raise self._error
            if self._admitting and not self._adding:
                self._end_unmatched(self.queue.withdraw_unmatched(time.monotonic()))
                for requirements, count in self.queue.take_hopeful():
                    self.nodes.note_waiting(requirements, count)
                for pick in self.queue.picks():
                    self._send(pick)
            # After what is idle has had its own.
            self._asked = [one for one in self._asked if not self._prefetch.answer(*one, admitting=self._admitting)]
            if not (self._admitting or self.in_flight):
                return
            steals = self._admitting and self.queue.has_idle_slots
            look_seconds = self._stealing.look(time.monotonic()) if steals else None
            if self._goes_on:  # what no node fits may have been the last
                await self._wait(look_seconds)

    @property
    def _goes_on(self) -> bool:
        return bool(self.ledger.open or self.held or self._adding)

    @contextlib.contextmanager
    def adding(self) -> Iterator[None]:
        """While tests are added, piece by piece, the run goes on, and nothing is chosen."""
        self._adding += 1
        try:
            yield
        finally:
            self._adding -= 1
            self._changed.set()

    def release(self) -> None:
        """Wait for no further tests."""
        self.held = False
        self._changed.set()

    async def _wait(self, look_seconds: float | None) -> None:
        ends = (self.queue.seconds_left(time.monotonic()), look_seconds)
        timeout = min((one for one in ends if one is not None), default=None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()

    def end_unsatisfiable(self, key: Key) -> None:
        """End a test that no node fits, with the nearest miss, or none that may have it."""
        self.ledger.close(key, Reason.UNSATISFIABLE, self.nodes.why_none_fits(self.ledger.case(key).requirements))

    def end_unable(self, key: Key, fitting: list[LiveNode]) -> bool:
        """End a test where none of the nodes that it fits can take part; whether that was so."""
        if (why := self.nodes.why_unable(fitting)) is None:
            return False
        self.ledger.close(key, self.nodes.reason_unable(fitting), f"no node that fits can take part: {why}")
        return True

    def _end_unmatched(self, keys: Iterable[Key]) -> None:
        """End tests that no node fits, or none that can take part; one that is still to learn of the run may."""
        for key in keys:
            fitting = self.nodes.fitting(self.ledger.case(key))
            if not fitting:
                self.end_unsatisfiable(key)
            elif not self.end_unable(key, fitting):
                self._enqueue(key, alone=self.ledger.test(key).is_suspect)

    def _send(self, pick: Pick, after: str | None = None) -> None:
        node = self.cluster.nodes.get(pick.node_id)
        if node is None:  # it left between two turns of the loop; lose_node has been or will be told
            self.queue.node_left(pick.node_id)
            for test in pick.tests:
                self.queue.add_again(test)
            return
        self._dispatched += 1
        key = str(self._dispatched)
        dispatch, in_flight = build_dispatch(key, self.run_id, pick, self.ledger, self.specs, after=after)
        for test in pick.tests:
            self.ledger.sent(test.key, pick.node_id, key)
        self.in_flight.add(key, in_flight)
        logger.debug("dispatch %s with %s goes to %s", key, [*in_flight.task_runs.values()], node.id)
        self.runner.send(dispatch, node.address, priority=dispatch.priority, on_trouble=self._trouble)

    def receive(self, event: tuple[float, dict[str, Any]]) -> None:
        """Messages of a node, by way of the run's topic."""
        try:
            for node, message in self._incoming.messages(event[1]["report"]):
                self._take(node, message)
        except Exception as error:  # noqa: BLE001 - Dask would log it and go on; the run would wait for ever
            self._error = error
        self._changed.set()

    async def hear(self, reports: Mapping[str, int]) -> None:
        """Until so many reports of nodes, given by their addresses, have come, as `Incoming` says."""
        await self._incoming.hear(reports)

    def give_up(self, node: LiveNode, why: str) -> None:
        """A node is there and cannot be relied on: it is lost to the run, which has it end what it runs."""
        self.ledger.tell(RunNote(f"node {node.id} takes no part any more: {why}"))
        del self.cluster.nodes[node.id]
        self.lose_node(node.id, why)
        self.background.start(self.nodes.dismiss(node), f"leaving node {node.id}")

    def _take(self, node: LiveNode, message: NodeMessage) -> None:
        node_id = node.id
        match message:
            case AttemptStart():
                self._begin(node_id, message)
            case CasesFound():
                self._cases = self._cases or CommandCases(self.ledger)
                self._cases.take(message)
            case AttemptEnd(result):
                known = self.ledger.record.tests.get(result.key)
                sent_at = known.sent.sent_at if known is not None and known.sent is not None else None
                self._book(self.nodes.clocks.placed(node, result, sent_at, self.ledger.clock()))
                if message.artifacts:
                    self.on_left(node_id, message)
            case TaskRunState():
                self.delivery.put(message)
            case DispatchDone():
                self._land(message)
            case MachineLacks(what):
                self.nodes.note_lacking(node_id, what)
            case NodeFailed(why):
                self.give_up(node, why)
            case PrepareOutput(line):
                self.ledger.tell(RunNote(f"node {node_id} gets ready: {line}"))
            case SessionEnd():
                self._end_session(node_id, message)
            case NextAsked():
                self._asked.append((node_id, message))
            case TestsGivenBack():
                for test in self._stealing.take(message, self.ledger):
                    if self._admitting:
                        self.queue.add_again(test)

    def _begin(self, node_id: str, start: AttemptStart) -> None:
        key = (start.test_id, start.variant)
        if (dispatch := self._carrier_of(key)) is not None:
            dispatch.begin(key)
        self.ledger.start(key, start.attempt, node_id, start.task_run)

    def _book(self, result: AttemptResult) -> None:
        """All that follows from the result of an attempt."""
        key, dispatch = result.key, self._carrier_of(result.key)
        result = self.ledger.with_queue_time(result)
        following = Next.CLOSED
        if self._cases is None or not self._cases.book(result):
            queued = dispatch.tests.get(key) if dispatch is not None else None
            if queued is not None and result.reason not in INFRASTRUCTURE_REASONS:
                self.queue.learn(queued, result.duration)
            following = self.ledger.finish(result, in_place=dispatch is not None and key in dispatch.in_place)
        if following in (Next.CLOSED, Next.RETRY_ALONE) and dispatch is not None:
            dispatch.tests.pop(key, None)
        if following is Next.RETRY_ALONE:
            self._requeue_later(key)
        self._heed_failures()

    def _carrier_of(self, key: Key) -> DispatchInFlight | None:
        """The dispatch in flight that carries a test."""
        test = self.ledger.record.tests.get(key)
        return self.in_flight.carrying(test.sent) if test is not None else None

    def _requeue_later(self, key: Key) -> None:
        if delay := self.ledger.case(key).retry_delay_seconds:
            self.background.later(delay, self._requeue, key)
        else:
            self._requeue(key)

    def _requeue(self, key: Key) -> None:
        if self._admitting and self.ledger.is_open(key):
            self._enqueue(key, alone=True)

    def _end_session(self, node_id: str, end: SessionEnd) -> None:
        """A pytest session is over on a machine; one that failed by itself is a row."""
        found = end.result
        self.ledger.tell(SessionFinished(end.entry, node_id, *structs.astuple(found)))
        if found.error is not None and end.entry in self.entries:
            self.book_collected(*session_row(self.entries[end.entry], node_id, found))

    def _heed_failures(self) -> None:
        count = self.ledger.failures
        if self.max_failures is not None and count >= self.max_failures and self._admitting:
            self.ledger.tell(RunNote(f"stopping after {count} {'failure' if count == 1 else 'failures'}"))
            self.stop_admitting()
            self.cancel_soon()

    def _land(self, message: DispatchDone) -> None:
        dispatch = self.in_flight.land(message.key)
        if dispatch is None:
            return
        if not self.in_flight.hand_on(message.key, dispatch):
            self.queue.slot_freed(dispatch.node_id)
        for key in dispatch.tests:
            if self.ledger.is_open(key):
                self._end_unreported(key, message.trouble or "its dispatch ended without a result for it")

    def _end_unreported(self, key: Key, why: str) -> None:
        if self._admitting:
            self.ledger.close(key, Reason.INTERNAL, f"the node could not run this test: {why}")
        else:
            self.ledger.close(key, Reason.CANCELLED, "the run was stopped before this test had run")

    def _trouble(self, key: str, why: str) -> None:
        self._land(DispatchDone(key, why))
        self._changed.set()

    def stop_admitting(self) -> None:
        """Send nothing more; what runs goes on until it ends or is cancelled."""
        self._admitting = False
        self._changed.set()

    def abandon(self) -> None:
        """Wait no longer for what is under way: nobody is there, or it does not end."""
        self.in_flight.clear()
        self._changed.set()

    def cancel_soon(self) -> None:
        """End what runs, on every node, without waiting for it."""
        self.background.start(self.nodes.cancel(), "ending what runs")

    def close_open(self, why: str) -> None:
        """Give every test that has no verdict the verdict `cancelled`."""
        self.queue.withdraw()
        for key in self.ledger.open_keys():
            self.ledger.close(key, Reason.CANCELLED, why)

    async def settle(self) -> None:
        """Until nothing of ours is under way any more; nodes that still get ready are not waited for."""
        await self.background.settle()
