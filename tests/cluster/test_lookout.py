"""How often nodes are looked at, and what a look is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pulseq.cluster.health_watch import HealthWatch, Look
from pulseq.cluster.lookout import SUSPECT_POLL_SECONDS, Lookout, pause_seconds
from pulseq.events import NodeHealth
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule
from tests.dask_nodes import open_node, open_scheduler

RULE = LivenessRule(5.0, 60.0)


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ((), RULE.poll_interval),
        ((Liveness.ACTIVE, Liveness.INACTIVE), RULE.poll_interval),
        ((Liveness.ACTIVE, Liveness.SUSPECT), SUSPECT_POLL_SECONDS),
    ],
)
def test_a_suspect_node_is_looked_at_sooner(found: tuple[Liveness, ...], seconds: float) -> None:
    assert seconds == pause_seconds(RULE, [NodeHealth(str(n), liveness) for n, liveness in enumerate(found)])


def test_a_short_interval_stays_short_for_a_suspect_node() -> None:
    rule = LivenessRule(0.1, 1.0)

    assert rule.poll_interval == pause_seconds(rule, [NodeHealth("n", Liveness.SUSPECT)])


def test_it_looks_until_it_is_told_to_end_and_tells_why_it_saw_nobody() -> None:
    async def main() -> list[Look]:
        looks: list[Look] = []
        twice = asyncio.Event()

        def take(look: Look) -> None:
            looks.append(look)
            if len(looks) == 2:
                twice.set()

        watching = Lookout(HealthWatch(LivenessRule(0.001, 1.0), "nonsense://somewhere"), take)
        watching.begin()
        await asyncio.wait_for(twice.wait(), 30)
        await watching.end()
        await watching.end()
        return looks

    assert ["the scheduler does not answer (ValueError)"] * 2 == [look.trouble for look in asyncio.run(main())]


def test_what_it_sees_are_the_nodes_of_its_scheduler() -> None:
    async def main() -> Look:
        seen: asyncio.Future[Look] = asyncio.get_running_loop().create_future()
        async with open_scheduler() as scheduler, open_node(scheduler):
            watching = Lookout(HealthWatch(LivenessRule(0.001, 60.0), scheduler.address), _set_once(seen))
            watching.begin()
            try:
                return await asyncio.wait_for(seen, 30)
            finally:
                await watching.end()

    look = asyncio.run(main())

    assert (None, [("n", Liveness.ACTIVE)]) == (look.trouble, [(row.node_id, row.liveness) for row in look.rows])


def _set_once(future: asyncio.Future[Look]) -> Callable[[Look], None]:
    return lambda look: None if future.done() else future.set_result(look)
