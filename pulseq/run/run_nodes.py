"""The nodes of a run: which take part, which get nothing more, which fit a test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pulseq.background import Background
from pulseq.capabilities import match, nearest_miss
from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.node_client import NodeClient
from pulseq.events import Event, NodeJoined, NodeMarked, RunNote
from pulseq.marks import NodeMark
from pulseq.models import CapabilityValue, Reason, TestCase
from pulseq.run.callers_variables import CallersVariables
from pulseq.run.in_flight import InFlight
from pulseq.run.node_admission import NodeAdmission
from pulseq.run.run_clocks import RunClocks
from pulseq.run.run_queue import RunQueue
from pulseq.run.shipping import Shipping

#: What a node says of itself that is told by itself, or tells nobody anything.
_COLUMNS = frozenset({"id", "slots", "incarnation", "host", "clock"})


async def _nothing(_node_id: str) -> None:
    return None


def admit_any(_node_id: str) -> bool:
    """Whoever is there takes part."""
    return True


@dataclass(slots=True)
class RunNodes:
    """Nodes from their coming to their going, as the queue of a run is to see them.

    Args:
        changed: set whenever something has changed that others may wait for, and waited for here.
        shipping: brings the run's project to nodes that get it.
        variables: what bodies have of the caller's.
        before_leave: waited for before a node that was drained forgets the run.
        admits: whether a node of this id is one of the run's; any other may be there all the same, and takes no part.

    Attributes:
        clocks: those of the nodes.
        background: has the nodes that are being let in.
    """

    run_id: str
    cluster: Cluster
    runner: NodeClient
    queue: RunQueue
    in_flight: InFlight
    changed: asyncio.Event
    tell: Callable[[Event], None]
    shipping: Shipping | None = None
    variables: CallersVariables = field(default_factory=CallersVariables)
    before_leave: Callable[[str], Awaitable[None]] = _nothing
    admits: Callable[[str], bool] = admit_any
    clocks: RunClocks = field(init=False)
    _admission: NodeAdmission = field(init=False)
    #: Nodes that get nothing more, and whose end is no loss.
    _retired: set[str] = field(default_factory=set)
    #: What the machines of nodes lack that for that get nothing, by their ids.
    _lacking: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clocks = RunClocks(self.cluster, self.tell)
        self._admission = NodeAdmission(
            self.run_id,
            self.cluster,
            self.runner,
            self._let_in,
            self._leave_out,
            self.shipping,
            self.variables,
            self.is_retired,
            self.clocks.meet,
        )

    @property
    def background(self) -> Background:
        return self._admission.background

    def join(self, node: LiveNode) -> None:
        """A node has come: let it take tests as soon as it knows the run; one that is too late for any is let go."""
        if self._admission.has_ended or not self.admits(node.id):
            self._retired.add(node.id)
            return
        labels = {name: value for name, value in node.labels.items() if name not in _COLUMNS}
        self.tell(NodeJoined(node.id, node.host, node.slots, node.capabilities, node.incarnation or None, labels))
        self._retired.discard(node.id)
        if (mark := self.cluster.marks.get(node.id)) is not None:
            self._tell_mark(mark)
            self._let_in(node)  # marked, for what fits it alone to wait
        else:
            self._admit(node)

    def _admit(self, node: LiveNode) -> None:
        self.queue.node_coming(node.id, node.capabilities)
        self._admission.start(node)

    def _let_in(self, node: LiveNode) -> None:
        self.queue.node_joined(node.id, node.slots, node.capabilities)
        self._open_or_close(node.id)

    def heed(self, mark: NodeMark) -> None:
        """A node is marked: it gets nothing more, or tests again; one that takes no part when it does."""
        node = self.cluster.nodes.get(mark.node_id)
        if node is None or node.id in self._retired:
            return
        self._tell_mark(mark)
        if self._admission.has(node):
            self._open_or_close(node.id)
        elif mark.is_open:
            self._admit(node)
        else:
            self._let_in(node)
        self._admission.turn()
        self.changed.set()

    def note_lacking(self, node_id: str, what: str | None) -> None:
        """The machine of a node lacks something that any test needs, or, with None, does no more."""
        if what is not None:
            self._lacking[node_id] = what
            self.tell(RunNote(f"node {node_id} gets no tests: {what}"))
        elif self._lacking.pop(node_id, None) and not self.is_retired(node_id):
            self.tell(RunNote(f"node {node_id} gets tests again"))
        self._open_or_close(node_id)

    def _open_or_close(self, node_id: str) -> None:
        self.queue.set_marked(node_id, self.is_retired(node_id) or node_id in self._lacking)
        self.changed.set()

    def _tell_mark(self, mark: NodeMark) -> None:
        self.tell(NodeMarked(mark))
        gets = "gets tests again" if mark.is_open else "gets no more tests"
        self.tell(RunNote(f"node {mark.node_id} {gets}: {mark.say()}"))

    def is_closed(self, node_id: str) -> bool:
        """Whether somebody has said that a node is to have nothing more."""
        return node_id in self.cluster.marks

    def _leave_out(self, node: LiveNode, why: str) -> None:
        self.queue.node_left(node.id)
        self.tell(RunNote(f"node {node.id} cannot take part: {why}"))
        self.changed.set()

    async def wait_until_ready(self, node: LiveNode) -> bool:
        """Until a node has all that it gets, and knows the run; False where it cannot take part."""
        return await self._admission.wait_until_ready(node)

    async def wait_for_first(self) -> None:
        """Until a node knows the run, where one can; for those that are still sent the project nobody waits."""
        await self._admission.wait_for_first()

    async def end_admission(self) -> None:
        """Let no further node in, and let go of those that still get ready."""
        await self._admission.end()

    async def begin(self) -> None:
        """Let all nodes take tests, those that are there and those that will come."""
        await self._admission.admit_all()

    def leave(self, node_id: str) -> int:
        """A node is gone; how many slots it had in this run."""
        self.queue.node_left(node_id)
        self._lacking.pop(node_id, None)
        return self._admission.leave(node_id)

    async def drain(self, node_id: str) -> None:
        """Give a node nothing more, and wait until all that it has is done and told; its end is then no loss."""
        self.retire(node_id)
        while self.in_flight.is_on(node_id):
            self.changed.clear()
            await self.changed.wait()
        await self.before_leave(node_id)
        if node := self.cluster.nodes.get(node_id):
            await self.dismiss(node)

    async def dismiss(self, node: LiveNode) -> None:
        """Have a node end what it runs, and forget the run."""
        with contextlib.suppress(OSError):  # it has gone by itself
            await self.runner.leave_run(self.run_id, [node.address])

    def retire(self, node_id: str) -> None:
        """Give a node nothing more, for good."""
        self._retired.add(node_id)
        self.queue.set_marked(node_id, True)
        self._admission.turn()
        self.changed.set()

    def is_retired(self, node_id: str) -> bool:
        """Whether a node is to have nothing more, so that its end is no loss."""
        return node_id in self._retired or self.is_closed(node_id)

    def hold(self, node_id: str) -> None:
        """Give a node nothing more for now; what it has goes on."""
        self.queue.set_open(node_id, False)

    def reopen(self, node_id: str) -> None:
        """Let a node that was held have tests again."""
        self.queue.set_open(node_id, True)
        self.changed.set()

    async def cancel(self) -> None:
        """End what runs, on every node."""
        if self._admission.is_open:
            with contextlib.suppress(OSError):  # what is gone needs no cancelling
                addresses = [node.address for node in self.cluster.nodes.values()]
                await self.runner.cancel_run(self.run_id, addresses)

    def fitting(self, case: TestCase, gone: AbstractSet[str] = frozenset()) -> list[LiveNode]:
        """The nodes of now that a test fits and may have it, but for those at addresses that are known to be dead."""
        nodes = (node for node in self.cluster.nodes.values() if node.address not in gone)
        fitting = self._matching(case.requirements, nodes)
        return [node for node in fitting if not self.is_retired(node.id) and node.id not in self._lacking]

    def why_none_fits(self, requirements: Mapping[str, CapabilityValue]) -> str:
        """Why those that would get no tests, or else what is missing of the nodes that take part."""
        if closed := self._say_closed(requirements):
            return closed
        nodes = self.cluster.nodes.values()
        offers = {node.id: node.capabilities for node in nodes if node.id not in self._retired}
        return nearest_miss(requirements, offers) if offers else "no node is left"

    def _marks_of(self, requirements: Mapping[str, CapabilityValue]) -> list[NodeMark]:
        """The marks of those nodes that are there, would fit, and are to have nothing more."""
        nodes = self._matching(requirements, self.cluster.nodes.values())
        return [self.cluster.marks[node.id] for node in nodes if self.is_closed(node.id)]

    def _say_closed(self, requirements: Mapping[str, CapabilityValue]) -> str | None:
        """Why none of the nodes that would fit may have a test; None where there is no such node."""
        told = [f"{mark.node_id} is {mark.say()}" for mark in self._marks_of(requirements)]
        marked = self.cluster.marks
        for node in self._matching(requirements, self.cluster.nodes.values()):
            if node.id in self._lacking and node.id not in marked:
                told.append(f"{node.id}: {self._lacking[node.id]}")
        if not told:
            return None
        no_node = "the only node that fits gets no tests" if len(told) == 1 else "no node that fits gets tests"
        return f"{no_node} ({'; '.join(told)})"

    def _matching(self, requirements: Mapping[str, CapabilityValue], nodes: Iterable[LiveNode]) -> list[LiveNode]:
        return [node for node in nodes if match(requirements, node.capabilities).fits]

    def note_waiting(self, requirements: Mapping[str, CapabilityValue], count: int) -> bool:
        """Tell that so many tests wait, where nodes are there that they fit and that get none; whether that is so."""
        why = self._say_closed(requirements)
        if why is not None:
            tests = "1 test waits" if count == 1 else f"{count} tests wait"
            marked = " ".join(mark.node_id for mark in self._marks_of(requirements))
            then = f"; `pulseq node undrain {marked}` lets tests there" if marked else ""
            self.tell(RunNote(f"{tests} for up to {self.queue.config.node_timeout:g} s, since {why}{then}"))
        return why is not None

    async def wait_for_fitting(self, case: TestCase, gone: AbstractSet[str]) -> list[LiveNode]:
        """As `fitting`; where no such node is left, waits `node_timeout` for one to come back."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.queue.config.node_timeout):
                while not self.fitting(case, gone):
                    self.changed.clear()
                    await self.changed.wait()
        return self.fitting(case, gone)

    def why_unable(self, nodes: list[LiveNode]) -> str | None:
        """Why none of these nodes can take part; None where one can, or is still to learn of the run."""
        unable = self._admission.unable
        if not all(node.id in unable for node in nodes):
            return None
        return "; ".join(f"{node.id}: {unable[node.id]}" for node in nodes)

    def reason_unable(self, nodes: list[LiveNode]) -> Reason:
        """That of tests which do not run since none of these nodes can take part."""
        reasons = {self._admission.reasons.get(node.id, Reason.INTERNAL) for node in nodes}
        return reasons.pop() if len(reasons) == 1 else Reason.INTERNAL

    def take_back(self, node: LiveNode) -> None:
        """Let a node that was retired, and has been there all the time, take part again as one that has just come."""
        here = self.cluster.nodes.get(node.id)
        if here is None or node.id not in self._retired:
            return  # it comes by itself, or has done so
        if (here.address, here.incarnation) == (node.address, node.incarnation):
            self._admission.leave(node.id)
            self.join(here)
