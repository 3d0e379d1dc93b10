"""The nodes that stand, as a person sees and marks them: found by a state directory or a scheduler's address."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulseq.cluster.health import look_at_nodes, reach_scheduler
from pulseq.cluster.health_watch import HealthWatch
from pulseq.cluster.marks import read_marks, write_marks
from pulseq.cluster.scheduler_address import check_scheduler, credentials_for, known_scheduler
from pulseq.cluster.standing_cluster import Condition, StandingCluster, find_cluster
from pulseq.errors import InfrastructureError, UsageError, hint_at_nearest
from pulseq.events import NodeHealth
from pulseq.fleet import LOCAL_HOSTS, FrameworkConfig, NodeSpec
from pulseq.marks import MarkState, NodeMark
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule
from pulseq.protocol.coding import PROTOCOL, say_protocol
from pulseq.standing.standing_nodes import NodeView, view_node

_PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class FleetNode:
    """A node that is there, or is to be.

    Attributes:
        way: how it has come: `local`, `ssh` or `joined`.
        version: of its PulseQ.
        view: what it offers and has; None where it is not there.
        health: how it did when it was looked at just now.
        mark: what is said of it; None where it may have tests.
        runs: how many dispatches it has of each run.
        why_unfit: what else keeps it from work.
    """

    id: str
    way: str
    host: str
    health: NodeHealth
    view: NodeView | None = None
    version: str | None = None
    mark: NodeMark | None = None
    runs: Mapping[str, int] = field(default_factory=dict)
    why_unfit: str | None = None

    @property
    def drained(self) -> bool:
        """Whether it is being drained and has nothing left."""
        return self.mark is not None and self.mark.state is MarkState.DRAINING and not self.runs

    @property
    def why_no_work(self) -> str | None:
        """Why it gets no tests; None where it does."""
        reasons = [self.mark.say(drained=self.drained)] if self.mark is not None else []
        if self.why_unfit is not None:
            reasons.append(self.why_unfit)
        if self.health.liveness is not Liveness.ACTIVE:
            reasons.append(f"{self.health.liveness}: {self.health.why}")
        elif self.health.why is not None:
            reasons.append(self.health.why)
        return "; ".join(reasons) or None


@dataclass(frozen=True, slots=True)
class FleetAccess:
    """A way to the scheduler of nodes, and what `pulseq up` says of them where it is that one."""

    scheduler: Any
    address: str
    standing: StandingCluster | None

    async def look(self) -> list[FleetNode]:
        """All nodes that are there or are to be, by id.

        Raises:
            InfrastructureError: the scheduler does not answer.
        """
        marks = await read_marks(self.scheduler)
        sightings = await look_at_nodes(self.scheduler, probe_seconds=self._rule.probe_seconds)
        workers = await self._ask_workers()
        expected = self._expected
        watch = HealthWatch(self._rule, self.address, expected=frozenset((*expected, *marks)))
        rows = {row.node_id: row for row in watch.take(sightings, time.time()).rows}
        return [
            _node_there(row, *workers[node_id], marks.get(node_id))
            if node_id in workers
            else _node_missing(row, expected.get(node_id), self.standing, marks.get(node_id))
            for node_id, row in sorted(rows.items())
        ]

    async def mark(self, ids: Sequence[str], state: MarkState, *, why: str, who: str) -> Marking:
        """Mark nodes, for all runs that go on or begin later; a mark that says nothing new leaves the one that was.

        Raises:
            UsageError: a node that nobody knows; then none is marked.
            InfrastructureError: the scheduler does not answer.
        """
        before = await read_marks(self.scheduler)
        known = {*await self._ask_workers(), *self._expected, *before}
        refuse_unknown(ids, known)
        made = (NodeMark(node_id, state, why, who, time.time()) for node_id in dict.fromkeys(ids))
        marks = tuple(mark.after(before.get(mark.node_id)) for mark in made)
        trouble = await write_marks(self.scheduler, [mark for mark in marks if mark != before.get(mark.node_id)])
        return Marking(marks, before, trouble)

    async def wait_until_drained(self, ids: Iterable[str], seconds: float) -> list[FleetNode]:
        """Until nodes have nothing left, for so many seconds at most; those that still have something."""
        end = time.monotonic() + seconds
        wanted = set(ids)
        while busy := [node for node in await self.look() if node.id in wanted and node.runs]:
            if time.monotonic() >= end:
                return busy
            await asyncio.sleep(_POLL_SECONDS)
        return []

    @property
    def _rule(self) -> LivenessRule:
        framework = self.standing.fleet.framework if self.standing is not None else FrameworkConfig()
        return LivenessRule(framework.heartbeat_interval, framework.node_timeout)

    @property
    def _expected(self) -> dict[str, NodeSpec]:
        return {spec.id: spec for spec in self.standing.fleet.nodes} if self.standing is not None else {}

    async def _ask_workers(self) -> dict[str, tuple[Mapping[str, Any], Sequence[Any]]]:
        """What the scheduler knows of each node, and the keys of what it has there."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                identity = await self.scheduler.identity(n_workers=-1)
                processing = await self.scheduler.processing(workers=None)
        except (OSError, TimeoutError) as error:
            raise InfrastructureError(f"the scheduler does not answer ({type(error).__name__})") from error
        return {
            worker["pulseq"]["id"]: (worker, processing.get(address, ()))
            for address, worker in identity["workers"].items()
            if "pulseq" in worker
        }


@dataclass(frozen=True, slots=True)
class Marking:
    """What was marked.

    Attributes:
        before: the marks that there were, by node.
        trouble: why they may not outlive the scheduler, or None.
    """

    marks: tuple[NodeMark, ...]
    before: Mapping[str, NodeMark]
    trouble: str | None = None


@asynccontextmanager
async def open_fleet(
    home: Path, scheduler: str | None = None, credentials: Path | None = None
) -> AsyncIterator[FleetAccess]:
    """A way to the nodes of the scheduler at an address, else of what `pulseq up` keeps in a state directory.

    Args:
        credentials: the file of them, as for `credentials_for`.

    Raises:
        UsageError: nothing is up there, or address or credentials cannot be used; the text says what to do.
        InfrastructureError: no scheduler answers at the address, or it and we do not trust each other.
    """
    standing = find_cluster(home)
    address = scheduler or known_scheduler(home)
    shown = credentials_for(home, address, credentials)
    await check_scheduler(address, shown)
    async with reach_scheduler(address, shown) as reached:
        of_home = standing is not None and standing.scheduler == address
        yield FleetAccess(reached, address, standing if of_home else None)


def refuse_unknown(ids: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an id that no node has.

    Raises:
        UsageError: names it, and the one that may have been meant.
    """
    names = sorted(known)
    for node_id in ids:
        if node_id not in names:
            hint = hint_at_nearest(node_id, names)
            raise UsageError(f"found no node {node_id!r}, expected one of {', '.join(names) or 'none'}{hint}")


def _node_there(health: NodeHealth, worker: Mapping[str, Any], keys: Sequence[Any], mark: NodeMark | None) -> FleetNode:
    labels = worker["pulseq"]
    protocol = labels.get("protocol")
    return FleetNode(
        labels["id"],
        labels.get("way", "local"),
        labels.get("host") or worker.get("host", ""),
        health,
        view_node(worker, keys),
        labels.get("version"),
        mark,
        Counter(key[1] for key in keys if isinstance(key, tuple | list) and key[0] == "pulseq-test"),
        None if protocol == PROTOCOL else say_protocol(protocol),
    )


def _node_missing(
    health: NodeHealth, spec: NodeSpec | None, standing: StandingCluster | None, mark: NodeMark | None
) -> FleetNode:
    part = next((one for one in (standing.parts if standing else ()) if one.name == health.node_id), None)
    why = (
        None if part is None or part.condition is Condition.RUNNING else f"{part.condition} ({part.why or 'just now'})"
    )
    way = "joined" if spec is None or spec.joins else "local" if spec.is_local else "ssh"
    # Where one that joins by itself is, it says when it comes, unless the nodes file does.
    host = "" if spec is None or (spec.joins and spec.host in LOCAL_HOSTS) else spec.host
    return FleetNode(health.node_id, way, host, health, mark=mark, why_unfit=why)
