"""Which nodes live: those that run are asked again and again, others report by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from pulseq.background import Background
from pulseq.cluster.health_watch import HealthWatch, Look
from pulseq.cluster.lookout import judge, pause_seconds, see, see_marks, tell_marks
from pulseq.distributed.session import Session, config_of, current_session
from pulseq.distributed.test_node import TestNode, node_of
from pulseq.errors import InfrastructureError
from pulseq.fleet import FrameworkConfig
from pulseq.marks import MarkState, NodeMark, user_here
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule, LivenessWatch
from pulseq.security.credentials import Credentials

logger = logging.getLogger("pulseq.health")


@dataclass(slots=True)
class _Watched:
    """A cluster whose nodes are looked at."""

    health: HealthWatch
    on_look: Callable[[Look], None]
    is_of_session: bool = False


class NodeManager:
    """Keeps watch over nodes.

    A node that is silent for `node_timeout` is inactive, until it is heard of again. A node of a runner, or of a
    run, is asked whether it is there while monitoring is on. Any other counts as heard of when it is registered,
    and whenever `process_heartbeat` is called for it.

    Args:
        heartbeat_interval: seconds between two signs of life of a node that is well.
        node_timeout: seconds of silence after which a node is inactive. What is None of these is the configuration's.
        config: a framework configuration, as one or as a dict; None takes the one of the session.
        session: what it shares with the other components; None is the current session.
        clock: seconds that never go back.

    Raises:
        ValueError: the configuration cannot be used, or a time is none.
    """

    __test__ = False

    def __init__(
        self,
        *,
        heartbeat_interval: float | None = None,
        node_timeout: float | None = None,
        config: FrameworkConfig | Mapping[str, Any] | None = None,
        session: Session | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        chosen = config_of(config)
        self._session = session or current_session()
        framework = chosen or self._session.config
        rule = LivenessRule(
            framework.heartbeat_interval if heartbeat_interval is None else heartbeat_interval,
            framework.node_timeout if node_timeout is None else node_timeout,
        )
        if not self._session.has("manager"):
            self._session.join("manager", self)
        self._clock = clock
        self._nodes: dict[str, TestNode] = {}
        self._reported = LivenessWatch(rule)
        self._cluster: _Watched | None = None
        self._background = Background()
        self._wake = asyncio.Event()

    @property
    def heartbeat_interval(self) -> float:
        """Seconds between two signs of life of a node that is well. May be assigned.

        Raises:
            ValueError: on assigning what is no time.
        """
        return self._reported.rule.heartbeat_interval

    @heartbeat_interval.setter
    def heartbeat_interval(self, seconds: float) -> None:
        self._set_rule(LivenessRule(seconds, self.node_timeout))

    @property
    def node_timeout(self) -> float:
        """Seconds of silence after which a node is inactive. May be assigned.

        Raises:
            ValueError: on assigning what is no time.
        """
        return self._reported.rule.node_timeout

    @node_timeout.setter
    def node_timeout(self, seconds: float) -> None:
        self._set_rule(LivenessRule(self.heartbeat_interval, seconds))

    def _set_rule(self, rule: LivenessRule) -> None:
        self._reported.rule = rule
        if self._cluster is not None:
            self._cluster.health.set_rule(rule)

    async def register_node(self, node: TestNode | Mapping[str, Any]) -> None:
        """Watch a node from here on; that counts as its first sign of life.

        Raises:
            ValueError: it is no node, or its id is registered already.
        """
        node = node_of(node)
        if node.id in self._nodes:
            raise ValueError(f"found node {node.id!r} again, expected an id that is not registered yet")
        self._nodes[node.id] = node
        self._reported.answer(node.id, self._clock())
        logger.debug("node %s is watched", node.id)

    def forget_node(self, node_id: str) -> None:
        """Watch a node no longer.

        Raises:
            KeyError: it is not registered.
        """
        if node_id not in self._nodes:
            raise self._unknown(node_id)
        del self._nodes[node_id]
        self._reported.forget(node_id)

    def process_heartbeat(self, node_id: str) -> Awaitable[None]:
        """Take note that a node has just reported by itself.

        Done when the call returns; awaiting what it returns is possible, and not needed.

        Raises:
            KeyError: it is neither registered nor one of the runner's.
        """
        if node_id not in self._known():
            raise self._unknown(node_id)
        self._reported.answer(node_id, self._clock())
        return _Done()

    def get_node_status(self, node_id: str) -> str:
        """`active` or `inactive`; a node that is only suspect is still active.

        Raises:
            KeyError: it is neither registered nor one of the runner's.
        """
        if node_id not in self._known():
            raise self._unknown(node_id)
        return Liveness.INACTIVE.value if self.liveness_of(node_id) is Liveness.INACTIVE else Liveness.ACTIVE.value

    def get_available_nodes(self) -> list[TestNode]:
        """The nodes that are active and neither drained nor cordoned, in the order in which they were registered."""
        nodes = [node for node in self._known().values() if node.id not in self._session.marks]
        return [node for node in nodes if self.get_node_status(node.id) == Liveness.ACTIVE]

    async def drain(self, node_id: str, *, why: str = "") -> None:
        """Give a node nothing more, until `undrain`: what it has begun goes on, what it has not goes to others.

        It holds for a node of that id that comes later, too, and for all who use the same cluster.

        Args:
            why: the reason, for all who wonder; without it a node that is draining keeps the one that it has.

        Raises:
            KeyError: it is neither registered nor one of the runner's.
            InfrastructureError: the scheduler of its cluster does not answer.
        """
        await self._mark(node_id, MarkState.DRAINING, why)

    async def cordon(self, node_id: str, *, why: str = "") -> None:
        """Give a node nothing new, until `undrain`; what it was sent stays there. Takes and raises as `drain` does."""
        await self._mark(node_id, MarkState.CORDONED, why)

    async def undrain(self, node_id: str, *, why: str = "") -> None:
        """Let a node that was drained or cordoned have tests again. Takes and raises what `drain` does."""
        await self._mark(node_id, MarkState.OPEN, why)

    def get_node_mark(self, node_id: str) -> NodeMark | None:
        """What is said of a node that is drained or cordoned: its state, why, who and when; None of any other.

        Raises:
            KeyError: it is neither registered nor one of the runner's.
        """
        if node_id not in self._known():
            raise self._unknown(node_id)
        return self._session.marks.get(node_id)

    async def _mark(self, node_id: str, state: MarkState, why: str) -> None:
        if node_id not in self._known():
            raise self._unknown(node_id)
        mark = NodeMark(node_id, state, why, user_here(), time.time()).after(self._session.marks.get(node_id))
        self._follow_session()
        if self._cluster is not None:
            await tell_marks(self._cluster.health, [mark])
        self._note_mark(mark)

    def _note_mark(self, mark: NodeMark) -> None:
        self._session.marks.pop(mark.node_id, None)
        if not mark.is_open:
            self._session.marks[mark.node_id] = mark

    def liveness_of(self, node_id: str) -> Liveness:
        """How a node does; where it is one of a cluster that is looked at, as the last look saw it."""
        if self._cluster is not None and node_id in self._cluster.health.latest:
            return self._cluster.health.latest[node_id].liveness
        if node_id in self._reported:
            return self._reported.liveness_of(node_id, self._clock())
        # One of the runner's that was not looked at yet has joined, or its runner would not have it.
        return Liveness.ACTIVE

    def _known(self) -> dict[str, TestNode]:
        return {**self._nodes, **self._session.nodes}

    def _unknown(self, node_id: str) -> KeyError:
        known = ", ".join(self._known()) or "none"
        return KeyError(f"found no node {node_id!r}, expected one that is registered: {known}")

    def watch_cluster(
        self,
        address: str,
        on_look: Callable[[Look], None] = lambda look: None,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        """Look at the nodes of the scheduler at `address`, whenever monitoring is on.

        A manager that shares a runner's session does so by itself as soon as that has nodes.

        Args:
            on_look: called with what each look has found.
            credentials: of the cluster; None where it has none.
        """
        self._cluster = _Watched(HealthWatch(self._reported.rule, address, credentials), on_look)
        self._wake.set()

    def leave_cluster(self) -> None:
        """Look at those nodes no longer."""
        self._cluster = None

    async def start_monitoring(self, *, look_at_once: bool = True) -> None:
        """Begin to look at nodes that run, in the background; a second call changes nothing.

        Args:
            look_at_once: whether the first look is now, and done when this returns.
        """
        if self._background.busy:
            return
        if look_at_once:
            await self.look()
        self._background.start(self._keep_looking(), "looking at the nodes")

    async def stop_monitoring(self) -> None:
        """Look no more; nodes that report by themselves may go on to do so."""
        await self._background.end()

    async def look(self) -> Look | None:
        """Look once; None where there is no cluster to look at."""
        self._follow_session()
        cluster = self._cluster
        if cluster is None:
            return None
        sightings, trouble = await see(cluster.health)
        if cluster is not self._cluster:  # it was left meanwhile
            return None
        look = judge(cluster.health, sightings, trouble, self._clock())
        if trouble is None:
            with contextlib.suppress(InfrastructureError):  # the next look tells of it
                marks = await see_marks(cluster.health)
                for node_id in {*cluster.health.latest, *marks}:
                    self._note_mark(marks.get(node_id) or NodeMark(node_id, MarkState.OPEN))
        cluster.on_look(look)
        return look

    def _follow_session(self) -> None:
        """Look at the nodes of the session's runner, whatever scheduler they have now, unless told of a cluster."""
        if self._cluster is not None and not self._cluster.is_of_session:
            return
        address = self._session.scheduler
        if not address:
            self._cluster = None
        elif self._cluster is None or self._cluster.health.scheduler != address:
            self.watch_cluster(address, credentials=self._session.credentials)
            assert self._cluster is not None
            self._cluster.is_of_session = True

    async def _keep_looking(self) -> None:
        while True:
            await self._pause()
            await self.look()

    async def _pause(self) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_seconds()):
                await self._wake.wait()

    def _pause_seconds(self) -> float:
        latest = self._cluster.health.latest.values() if self._cluster is not None else ()
        return pause_seconds(self._reported.rule, latest)


class _Done:
    """What is done already, for those who await it."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()
