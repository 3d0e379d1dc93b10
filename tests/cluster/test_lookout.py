"""How often nodes are looked at, and what a look is; a real scheduler is looked at in tests/system/test_node_health."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pulseq.cluster import lookout
from pulseq.cluster.health_watch import HealthWatch, Look
from pulseq.cluster.lookout import SUSPECT_POLL_SECONDS, Lookout, pause_seconds
from pulseq.errors import InfrastructureError
from pulseq.events import NodeHealth
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule

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


def test_it_looks_until_it_is_told_to_end_and_tells_why_it_saw_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(address: str) -> Any:
        raise InfrastructureError(f"nobody answers at {address}")

    async def main() -> list[Look]:
        looks: list[Look] = []
        twice = asyncio.Event()

        def take(look: Look) -> None:
            looks.append(look)
            if len(looks) == 2:
                twice.set()

        watching = Lookout(HealthWatch(LivenessRule(0.001, 1.0), "tcp://s:1"), take)
        watching.begin()
        await asyncio.wait_for(twice.wait(), 30)
        await watching.end()
        await watching.end()
        return looks

    monkeypatch.setattr(lookout, "reach_scheduler", reach)
    assert ["nobody answers at tcp://s:1"] * 2 == [look.trouble for look in asyncio.run(main())]
