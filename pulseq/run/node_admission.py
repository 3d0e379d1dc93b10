"""How nodes come to take part in a run: what each has to know first, and which are there and cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pulseq.background import Background
from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.node_client import NodeClient
from pulseq.models import Reason
from pulseq.run.callers_variables import CallersVariables
from pulseq.run.shipping import Shipping, UnfitHostError

#: How long a node is left alone after each time that it could not be made to know the run.
ADMIT_AGAIN_SECONDS = (0.2, 1.0, 3.0)


async def _meet(node: LiveNode) -> None:
    """There is nothing to be known of it."""


@dataclass(slots=True)
class NodeAdmission:
    """Admits nodes to a run, each start of one by itself.

    Args:
        on_admitted: called with a node that may have tests from now on.
        on_trouble: called with a node that is there and cannot take part, and why.
        is_closed: whether a node is not to have tests: it need not know the run before that is taken back.
        shipping: brings the run's project to nodes that get it.
        variables: what bodies have of the caller's.
        meet: awaited with each node before it learns of the run.

    Attributes:
        is_open: whether nodes may have tests; before, they only get ready.
        background: has nodes that are being admitted, which nobody waits for.
        unable: why nodes cannot take part that are there, by their ids.
        reasons: those of tests that for that do not run, where it is not `internal`.
        has_ended: whether no further node is admitted.
    """

    run_id: str
    cluster: Cluster
    runner: NodeClient
    on_admitted: Callable[[LiveNode], None]
    on_trouble: Callable[[LiveNode, str], None]
    shipping: Shipping | None = None
    variables: CallersVariables = field(default_factory=CallersVariables)
    is_closed: Callable[[str], bool] = lambda _node_id: False
    meet: Callable[[LiveNode], Awaitable[None]] = _meet
    is_open: bool = False
    unable: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, Reason] = field(default_factory=dict)
    background: Background = field(default_factory=Background)
    has_ended: bool = False
    #: Those that know the run, and those that take part in it.
    _ready: dict[str, LiveNode] = field(default_factory=dict)
    _admitted: dict[str, LiveNode] = field(default_factory=dict)
    #: Incarnations that were given up; one that was only silent may come back.
    _given_up: set[str] = field(default_factory=set)
    #: Set, and replaced, whenever a node gets ready, or cannot, or leaves.
    _turned: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, node: LiveNode) -> None:
        """Admit a node beside everything else."""
        if not self.has_ended:
            self.background.start(self.admit(node), f"letting node {node.id} in")

    async def end(self) -> None:
        """Admit no further node, and let go of those that still get ready."""
        self.has_ended = True
        self.turn()
        await self.background.end()

    async def admit(self, node: LiveNode) -> None:
        """Make a node know the run; it takes part as soon as nodes may."""
        if self.is_closed(node.id):
            self.turn()
            return
        for pause in (*ADMIT_AGAIN_SECONDS, None):
            try:
                if self._ready.get(node.id) is not node:
                    await self._make_known(node)
                self._ready[node.id] = node
                self.turn()
                break
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one node, the run has others
                if self.has_ended or not self._is_here(node):
                    return
                if pause is None or isinstance(error, UnfitHostError):
                    self._give_up(node, error)
                    return
            await asyncio.sleep(pause)
        # A node that joins while all are admitted comes here twice.
        if self.is_open and self._is_here(node) and not self.has(node):
            self._admitted[node.id] = node
            self.unable.pop(node.id, None)
            self.on_admitted(node)

    def has(self, node: LiveNode) -> bool:
        """Whether a node takes part."""
        return self._admitted.get(node.id) is node

    async def admit_all(self) -> None:
        """Let all nodes take part, those that are there and those that will come.

        Those that are still being sent the project do when they have it, and are not waited for.
        """
        self.is_open = True
        nodes = [node for node in self.cluster.nodes.values() if node.id in self._ready or not self.is_sent_to(node)]
        await asyncio.gather(*map(self.admit, nodes))

    def is_sent_to(self, node: LiveNode) -> bool:
        """Whether a node gets the project first, which may take longer."""
        return self.shipping is not None and self.shipping.concerns(node)

    async def wait_for_first(self) -> None:
        """Until a node knows the run, and all do that are sent nothing first; those that cannot are not waited for."""
        while undecided := [node for node in self.cluster.nodes.values() if not self._is_decided(node)]:
            if self._ready and all(map(self.is_sent_to, undecided)):
                return
            await self._turned.wait()

    def _is_decided(self, node: LiveNode) -> bool:
        return self._ready.get(node.id) is node or node.id in self.unable or self.is_closed(node.id)

    async def wait_until_ready(self, node: LiveNode) -> bool:
        """Until a node knows the run; False where it cannot, or has left."""
        while self._ready.get(node.id) is not node:
            if self.has_ended or node.id in self.unable or not self._is_here(node) or self.is_closed(node.id):
                return False
            await self._turned.wait()
        return True

    def turn(self) -> None:
        """Have those who wait for a node look again."""
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    def _give_up(self, node: LiveNode, error: Exception) -> None:
        self.unable[node.id] = str(error)
        if isinstance(error, UnfitHostError):
            self.reasons[node.id] = error.reason
        self.turn()
        self.on_trouble(node, str(error))

    def leave(self, node_id: str) -> int:
        """A node is gone; how many slots it had here."""
        self.unable.pop(node_id, None)
        self.reasons.pop(node_id, None)
        self._ready.pop(node_id, None)
        self.turn()
        node = self._admitted.pop(node_id, None)
        if node is None:
            return 0
        self._given_up.add(node.incarnation)
        return node.slots

    def _is_here(self, node: LiveNode) -> bool:
        return self.cluster.nodes.get(node.id) is node

    async def _make_known(self, node: LiveNode) -> None:
        await self.meet(node)
        if node.incarnation in self._given_up:
            # What it was at when it fell silent others have, or will have.
            await self.runner.leave_run(self.run_id, [node.address])
            self._given_up.discard(node.incarnation)
        bodies = self.variables.on_node(node.way)
        workspace = await self.shipping.bring(node, bodies) if self.shipping is not None else None
        try:
            await self.runner.begin_run(self.run_id, [node.address], workspace, bodies)
        except Exception:
            if self.shipping is not None:
                self.shipping.forget(node)
            raise
