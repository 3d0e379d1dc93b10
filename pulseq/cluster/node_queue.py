"""Calls that wait for a node which fits: each goes to a free slot of one, and to another node where that is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulseq.background import Background
from pulseq.capabilities import match, nearest_miss, requirement_key
from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.node_client import NodeClient
from pulseq.cluster.run_watch import driver_name
from pulseq.errors import InfrastructureError, NoNodeFitsError
from pulseq.marks import NodeMark
from pulseq.models import CapabilityValue
from pulseq.protocol.coding import decode
from pulseq.protocol.to_node import RunTask
from pulseq.security.credentials import Credentials

#: How long calls wait for a node to come back, where those that fitted have all left.
COMES_BACK_SECONDS = 60.0
#: The call that is lost with so many nodes is given up: it may be what ends them.
MOST_LOSSES = 3


@dataclass(eq=False, slots=True)
class _Call:
    """A call that waits; `number` is its place among all, `lost_with` the nodes that were lost while they had it."""

    number: int
    key: Hashable
    requirements: Mapping[str, CapabilityValue]
    task: RunTask
    answer: asyncio.Future[bytes]
    lost_with: list[str] = field(default_factory=list)


class NodeQueue:
    """The calls of one flow run, seen by all nodes of a scheduler.

    A call is sent when a slot is free, and not before: so nodes that join later get work, and a node that is lost
    has few. Among the nodes that fit it takes one that fits the fewest other calls.

    Args:
        owner: the id of the flow run.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._cluster = Cluster()
        self._client = NodeClient()
        self._numbers = itertools.count()
        self._waiting: dict[Hashable, deque[_Call]] = {}
        #: By class of requirements, as they came up; and those that a node has fitted.
        self._classes: dict[Hashable, Mapping[str, CapabilityValue]] = {}
        self._fitted: set[Hashable] = set()
        self._used: Counter[str] = Counter()
        self._sent: dict[asyncio.Task[None], tuple[_Call, LiveNode]] = {}
        self._hoping: asyncio.TimerHandle | None = None
        self._lost_why = ""
        self._background = Background()

    async def open(self, address: str, credentials: Credentials | None = None) -> None:
        """Connect to a scheduler; with the credentials of its cluster, where that has any.

        Raises:
            InfrastructureError: nothing answers there.
        """
        self._cluster.on_joined = lambda _: self._send_all()
        self._cluster.on_left = self._lose
        self._cluster.on_lost = self._lose_scheduler
        self._cluster.on_marked = self._heed_mark
        name = driver_name(self._owner)
        self._cluster.on_connected = lambda: self._client.bind(self._cluster.client, self._cluster.has_address)
        await self._cluster.connect(address, name=name, foreign=True, credentials=credentials)

    async def call(self, requirements: Mapping[str, CapabilityValue], task: RunTask) -> bytes:
        """Have a node that fits run a task; its answer.

        Raises:
            NoNodeFitsError: no node fits, or those that did have left and none has come back.
            InfrastructureError: the scheduler is gone, or several nodes were lost with the call.
        """
        if self._cluster.lost:
            raise InfrastructureError(self._lost_why)
        key = requirement_key(requirements)
        self._classes.setdefault(key, requirements)
        if not self._is_fitted(key) and (key not in self._fitted or self._hoping is None):
            raise NoNodeFitsError(self._say_miss(requirements))
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        call = _Call(next(self._numbers), key, requirements, task, answer)
        self._waiting.setdefault(key, deque()).append(call)
        self._send_all()
        return await answer

    async def close(self) -> None:
        """Give up what waits, end what runs, and leave the scheduler."""
        for call in self._drop_waiting():
            call.answer.cancel()
        await self._background.end()
        if not self._cluster.lost and hasattr(self._cluster, "client"):
            with contextlib.suppress(OSError):
                await self._client.leave_run(self._owner, [node.address for node in self._nodes])
        await self._cluster.close()

    @property
    def _nodes(self) -> list[LiveNode]:
        return list(self._cluster.nodes.values())

    def _fits(self, key: Hashable, node: LiveNode) -> bool:
        fits = match(self._classes[key], node.capabilities).fits
        if fits:
            self._fitted.add(key)
        return fits

    def _is_fitted(self, key: Hashable) -> bool:
        return any(self._fits(key, node) and node.id not in self._cluster.marks for node in self._nodes)

    def _send_all(self) -> None:
        """Send, the oldest call of each class in turn, as long as there are slots for them."""
        if self._cluster.is_cut:
            return  # all nodes will leave, and those that are there join again
        nodes = [node for node in self._nodes if node.id not in self._cluster.marks]
        free = {node.id: node for node in nodes if self._used[node.id] < node.slots}
        for key in sorted(self._waiting, key=lambda key: self._waiting[key][0].number):
            calls = self._waiting[key]
            while calls and (node := self._choose(key, free)):
                self._send(calls.popleft(), node)
                if self._used[node.id] >= node.slots:
                    del free[node.id]
            if not calls:
                del self._waiting[key]

    def _choose(self, key: Hashable, free: Mapping[str, LiveNode]) -> LiveNode | None:
        fitting = [node for node in free.values() if self._fits(key, node)]
        return min(fitting, key=self._rank, default=None)

    def _rank(self, node: LiveNode) -> tuple[int, float]:
        return sum(self._fits(key, node) for key in self._waiting), self._used[node.id] / node.slots

    def _send(self, call: _Call, node: LiveNode) -> None:
        self._used[node.id] += 1
        task = self._background.start(self._carry_out(call, node), f"call {call.number} on node {node.id}")
        self._sent[task] = call, node
        task.add_done_callback(self._note_end)

    async def _carry_out(self, call: _Call, node: LiveNode) -> None:
        key = f"{call.number}-{len(call.lost_with)}"
        future = self._client.send_task(self._owner, call.task, node.address, key=key)
        answer: bytes | Exception
        try:
            answer = decode(await future, bytes)
        except Exception as error:  # noqa: BLE001 - whatever the node says of it
            if self._cluster.is_cut:
                # It is Dask that gave up. Now all nodes leave, which takes this call along, or the scheduler is gone.
                await asyncio.wait([call.answer])
            answer = error
        finally:
            future.release()  # what is held is run again when its node dies
        if call.answer.done():
            return
        if isinstance(answer, Exception):
            call.answer.set_exception(answer)
        else:
            call.answer.set_result(answer)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        call, node = self._sent.pop(task, (None, None))
        if call is None or node is None:
            return
        self._used[node.id] -= 1
        if task.cancelled():
            call.answer.cancel()
        self._send_all()

    def _lose(self, node_id: str, why: str) -> None:
        """A node has left: what it had goes to others, up to a point; what only it fitted waits for its return."""
        self._used.pop(node_id, None)
        lost = [(task, call) for task, (call, node) in self._sent.items() if node.id == node_id]
        for task, call in reversed(lost):
            del self._sent[task]
            task.cancel()
            call.lost_with.append(node_id)
            if len(call.lost_with) < MOST_LOSSES:
                self._waiting.setdefault(call.key, deque()).appendleft(call)
            elif not call.answer.done():
                nodes = ", ".join(call.lost_with)
                call.answer.set_exception(InfrastructureError(f"it was lost with its nodes ({nodes}); {why}"))
        self._hope()

    def _heed_mark(self, mark: NodeMark) -> None:
        """A node gets nothing more, and what only it fits waits for it to be opened; or it is open again."""
        if mark.is_open:
            self._send_all()
        else:
            self._hope()

    def _hope(self) -> None:
        if self._hoping is not None:
            self._hoping.cancel()
        self._hoping = self._background.later(COMES_BACK_SECONDS, self._stop_hoping)
        self._send_all()

    def _stop_hoping(self) -> None:
        self._hoping = None
        for key, calls in list(self._waiting.items()):
            if not self._is_fitted(key):
                del self._waiting[key]
                for call in calls:
                    if not call.answer.done():
                        call.answer.set_exception(NoNodeFitsError(self._say_miss(call.requirements)))

    def _lose_scheduler(self, why: str) -> None:
        self._lost_why = why
        for call in [*self._drop_waiting(), *(call for call, _ in self._sent.values())]:
            if not call.answer.done():
                call.answer.set_exception(InfrastructureError(self._lost_why))

    def _drop_waiting(self) -> Iterator[_Call]:
        dropped = [call for calls in self._waiting.values() for call in calls]
        self._waiting.clear()
        return iter(dropped)

    def _say_miss(self, requirements: Mapping[str, CapabilityValue]) -> str:
        offers: dict[str, Any] = {node.id: node.capabilities for node in sorted(self._nodes, key=lambda node: node.id)}
        if not offers and not requirements:
            return f"the scheduler at {self._cluster.address!r} has no PulseQ node"
        if closed := self._closed_to(requirements):
            return f"no node that fits gets tests ({closed})"
        return nearest_miss(requirements, offers)

    def _closed_to(self, requirements: Mapping[str, CapabilityValue]) -> str:
        marks = self._cluster.marks
        closed = [node.id for node in self._nodes if node.id in marks and match(requirements, node.capabilities).fits]
        return "; ".join(f"{node_id} is {marks[node_id].say()}" for node_id in closed)
