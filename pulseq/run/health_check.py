"""One look at the nodes of a standing cluster, and everything that comes of it: rows, table, events, state."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulseq.cluster.health import Sighting, look_at_nodes, reach_scheduler
from pulseq.cluster.health_watch import HealthWatch, Look
from pulseq.cluster.marks import read_marks
from pulseq.cluster.scheduler_address import check_scheduler, credentials_for
from pulseq.cluster.standing_cluster import StandingCluster, find_cluster
from pulseq.errors import InfrastructureError, PulseqError
from pulseq.events import NodeMarked
from pulseq.fleet import FrameworkConfig
from pulseq.marks import NodeMark
from pulseq.orchestration.node_report import (
    no_scheduler,
    nothing_stands,
    publish_health,
    state_of_look,
    tell_changes,
    tell_marks,
)
from pulseq.ownership import default_home
from pulseq.planning.liveness import LivenessRule
from pulseq.results.database import DATABASE_NAME, Database
from pulseq.results.health_journal import ingest_health, read_known_health, read_known_marks, record_health
from pulseq.run.node_marking import is_recent, news_of_marks
from pulseq.run.state_directory import prepare_home
from pulseq.security.credentials import Credentials

logger = logging.getLogger("pulseq.health")


@dataclass(frozen=True, slots=True)
class HealthRequest:
    """What is to be looked at; None takes what `pulseq up` has in the state directory, or the defaults.

    Attributes:
        home: the state directory; None is `$PULSEQ_HOME` or `.pulseq`.
        scheduler: address of a Dask scheduler.
        heartbeat_interval, node_timeout: seconds, as in a nodes file.
    """

    home: Path | None = None
    scheduler: str | None = None
    heartbeat_interval: float | None = None
    node_timeout: float | None = None


async def check_nodes(request: HealthRequest) -> Any:
    """Look once, within the current flow run; the Prefect state that it shall end in.

    Nodes that an earlier look has seen and that are gone are inactive; so are all of them where the scheduler
    does not answer.
    """
    home = (request.home or default_home()).absolute()
    cluster = find_cluster(home)
    address = request.scheduler or (cluster.scheduler if cluster else "")
    if not address:
        return nothing_stands(f"`pulseq up` has nothing running in {home}, and no scheduler's address was given")
    watch = make_watch(request, address, cluster, credentials_for(home, address))
    for at, health in await asyncio.to_thread(read_known_health, home, address):
        watch.remember(health, at)
    trouble: str | None = None
    sightings: list[Sighting] = []
    marks: Mapping[str, NodeMark] = {}
    try:
        if request.scheduler is None and cluster is not None and not cluster.keeper.alive:
            # An address that nobody answers for is not even asked: who wrote it down is not known.
            raise InfrastructureError(f"what `pulseq up` had started in {home} has died")
        sightings, marks = await _see(watch)
    except PulseqError as error:
        trouble = str(error)
    look = watch.take(sightings, time.time(), trouble=trouble)
    known = await asyncio.to_thread(read_known_marks, home)
    news = news_of_marks(marks, known) if trouble is None else []
    await asyncio.to_thread(_keep, home, look, news)
    await tell_changes(look.changes)
    await tell_marks([mark for mark in news if is_recent(mark, time.time())])
    latest = [*{row.node_id: row for row in look.rows}.values()]
    await publish_health(latest, marks, description=f"Nodes of the scheduler at {address}")
    return state_of_look(latest) if trouble is None else no_scheduler(trouble)


def make_watch(
    request: HealthRequest, address: str, cluster: StandingCluster | None, credentials: Credentials | None = None
) -> HealthWatch:
    """A watch with the limits that are asked for, else those of the cluster if that is the one to be looked at."""
    standing = cluster if cluster is not None and cluster.scheduler == address else None
    framework = standing.fleet.framework if standing else FrameworkConfig()
    rule = LivenessRule(
        request.heartbeat_interval or framework.heartbeat_interval, request.node_timeout or framework.node_timeout
    )
    expected = frozenset(spec.id for spec in standing.fleet.nodes) if standing else frozenset()
    return HealthWatch(rule, address, credentials, expected)


async def _see(watch: HealthWatch) -> tuple[list[Sighting], dict[str, NodeMark]]:
    await _reach(watch.scheduler, watch.credentials)
    async with reach_scheduler(watch.scheduler, watch.credentials) as scheduler:
        sightings = await look_at_nodes(scheduler, probe_seconds=watch.rule.probe_seconds)
        return sightings, await read_marks(scheduler, opened=True)


async def _reach(address: str, credentials: Credentials | None) -> None:
    # Dask itself tries for half a minute.
    try:
        await check_scheduler(address, credentials)
    except InfrastructureError as error:
        raise InfrastructureError(f"no Dask scheduler answers at {address!r}") from error


def _keep(home: Path, look: Look, marks: Iterable[NodeMark]) -> None:
    prepare_home(home)
    record_health(home, [*look.rows, *map(NodeMarked, marks)])
    try:
        ingest_health(home, Database(home / DATABASE_NAME))
    except PulseqError as error:
        logger.warning("this look is not in the database yet: %s; then `pulseq results sync`", error)
