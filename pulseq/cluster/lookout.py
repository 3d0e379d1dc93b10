"""Looks at the nodes of a scheduler again and again, for as long as somebody wants to know."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from pulseq.background import Background
from pulseq.cluster.health import Sighting, look_at_nodes, reach_scheduler
from pulseq.cluster.health_watch import HealthWatch, Look
from pulseq.cluster.marks import read_marks, write_marks
from pulseq.errors import InfrastructureError
from pulseq.events import NodeHealth
from pulseq.marks import NodeMark
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule

logger = logging.getLogger("pulseq.health")

#: A suspect node gets no tests, so it is looked at again sooner.
SUSPECT_POLL_SECONDS = 1.0


class Lookout:
    """Looks once each interval of the watch's rule, sooner where a node is suspect.

    Args:
        on_look: called with what each look has found.

    Attributes:
        background: what looks.
    """

    def __init__(self, health: HealthWatch, on_look: Callable[[Look], None]) -> None:
        self._health = health
        self._on_look = on_look
        self.background = Background()

    def begin(self) -> None:
        """Look from now on, in the background; the first look is one interval away."""
        self.background.start(self._keep_looking(), "looking at the nodes")

    async def end(self) -> None:
        """Look no more; safe to call at any time."""
        await self.background.end()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(pause_seconds(self._health.rule, self._health.latest.values()))
            self._on_look(await look(self._health, time.monotonic))


async def look(health: HealthWatch, clock: Callable[[], float]) -> Look:
    """Look once."""
    sightings, trouble = await see(health)
    return judge(health, sightings, trouble, clock())


async def see(health: HealthWatch) -> tuple[list[Sighting], str | None]:
    """Who is there, or what kept us from seeing it."""
    try:
        async with reach_scheduler(health.scheduler, health.credentials) as scheduler:
            return await look_at_nodes(scheduler, probe_seconds=health.rule.probe_seconds), None
    except InfrastructureError as error:
        return [], str(error)


async def see_marks(health: HealthWatch) -> dict[str, NodeMark]:
    """What is said of the nodes of a cluster that are not to have tests.

    Raises:
        InfrastructureError: the scheduler does not answer.
    """
    async with reach_scheduler(health.scheduler, health.credentials) as scheduler:
        return await read_marks(scheduler)


async def tell_marks(health: HealthWatch, marks: Iterable[NodeMark]) -> None:
    """Mark nodes of a cluster.

    Raises:
        InfrastructureError: the scheduler does not answer.
    """
    async with reach_scheduler(health.scheduler, health.credentials) as scheduler:
        await write_marks(scheduler, marks)


def judge(health: HealthWatch, sightings: Iterable[Sighting], trouble: str | None, now: float) -> Look:
    """What has been seen, beside what was seen before."""
    found = health.take(sightings, now, trouble=trouble)
    for change in found.changes:
        node = change.health
        logger.debug("node %s is %s: %s", node.node_id, node.liveness, node.why or "it answers")
    return found


def pause_seconds(rule: LivenessRule, latest: Iterable[NodeHealth]) -> float:
    """How long until the next look."""
    suspect = any(health.liveness is Liveness.SUSPECT for health in latest)
    return min(rule.poll_interval, SUSPECT_POLL_SECONDS) if suspect else rule.poll_interval
