"""The watch over a run's nodes: what each look finds is journalled, and heeded."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.health_watch import HealthChange, HealthWatch, Look
from pulseq.cluster.lookout import Lookout
from pulseq.events import Event, NodeHealth
from pulseq.fleet import FrameworkConfig
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule
from pulseq.run.run_nodes import RunNodes


class RunHealth:
    """Looks at the nodes of one run as long as it lasts.

    A suspect node gets no tests until it answers. One that is silent for `node_timeout` is lost to the run,
    also where the scheduler still waits for it; when it is heard of again it takes part again.
    """

    def __init__(
        self, cluster: Cluster, nodes: RunNodes, emit: Callable[[Event], None], framework: FrameworkConfig
    ) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._emit = emit
        self._rule = LivenessRule(framework.heartbeat_interval, framework.node_timeout)
        self._lookout: Lookout | None = None
        self._held: set[str] = set()
        self._given_up: dict[str, LiveNode] = {}

    async def begin(self) -> None:
        """Look at the nodes from now on; the first look is one interval away, so a short run costs nothing."""
        watch = HealthWatch(
            self._rule, self._cluster.address, self._cluster.credentials, clocks=self._nodes.clocks.clocks
        )
        self._lookout = Lookout(watch, self.take)
        self._lookout.background.on_death = self._cluster.background.on_death
        self._lookout.begin()

    async def end(self) -> None:
        """Look no more; safe to call at any time."""
        if self._lookout is not None:
            await self._lookout.end()

    def take(self, look: Look) -> None:
        """Journal what a look has found, and act on what has changed."""
        for row in look.rows:
            self._emit(row)
            self._nodes.clocks.heed(row)
        if look.trouble is None:  # a scheduler that is slow to answer is no node's fault, one that is gone is told of
            for change in look.changes:
                self._heed(change)

    def _heed(self, change: HealthChange) -> None:
        node_id = change.health.node_id
        match change.health.liveness:
            case Liveness.SUSPECT:
                self._hold(node_id)
            case Liveness.INACTIVE:
                self._give_up(change.health)
            case Liveness.ACTIVE:
                self._take_back(change)

    def _hold(self, node_id: str) -> None:
        self._held.add(node_id)
        self._nodes.hold(node_id)

    def _give_up(self, health: NodeHealth) -> None:
        node = self._cluster.nodes.get(health.node_id)
        if node is None or not _is_of(health, node):  # the cluster has told it, and a new process has the place
            return
        del self._cluster.nodes[node.id]
        self._given_up[node.id] = node
        self._cluster.on_left(node.id, health.why or "")

    def _take_back(self, change: HealthChange) -> None:
        node_id = change.health.node_id
        if node_id in self._held:
            self._held.discard(node_id)
            self._nodes.reopen(node_id)
        node = self._given_up.pop(node_id, None)
        if node is not None and node_id not in self._cluster.nodes and _is_of(change.health, node):
            self._cluster.nodes[node_id] = node
            self._cluster.on_joined(node)


def _is_of(health: NodeHealth, node: LiveNode) -> bool:
    """Whether a look has seen this process, and not one before or after it."""
    return (health.address, health.incarnation or "") == (node.address, node.incarnation)
