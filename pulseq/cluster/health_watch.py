"""From looks at nodes to how they do, and what has changed since the look before. Pure: the clock is passed in."""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from pulseq.cluster.health import TOLD, Sighting
from pulseq.cluster.node_clock import NodeClocks
from pulseq.events import NodeHealth
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule, LivenessWatch
from pulseq.protocol.node_probe import MEASURES
from pulseq.security.credentials import Credentials

#: A node that has left is told of for so many times `node_timeout`, and then forgotten.
REMEMBERED_TIMEOUTS = 10
#: The median of so many latencies is told.
_LATENCIES = 16


@dataclass(frozen=True, slots=True)
class HealthChange:
    """A node does otherwise than it did at the look before."""

    before: Liveness
    health: NodeHealth


@dataclass(frozen=True, slots=True)
class Look:
    """What came of one look: a row for each node, two for one whose process was replaced, and what changed.

    `trouble` says why nobody could be seen at all.
    """

    rows: tuple[NodeHealth, ...]
    changes: tuple[HealthChange, ...]
    trouble: str | None = None


@dataclass(slots=True)
class HealthWatch:
    """The nodes of one cluster, look after look.

    Attributes:
        scheduler: the address that the rows tell.
        credentials: of its cluster; None where that has none.
        expected: ids of nodes that are to be there: never forgotten, and told of before they come.
        latest: the last row of each node.
        clocks: what is known of their clocks.
    """

    rule: LivenessRule
    scheduler: str = ""
    credentials: Credentials | None = field(default=None, repr=False)
    expected: frozenset[str] = frozenset()
    latest: dict[str, NodeHealth] = field(default_factory=dict)
    clocks: NodeClocks = field(default_factory=NodeClocks)
    _lives: LivenessWatch = field(init=False)
    #: The last heartbeat of each, by the scheduler's clock, and when it was looked at.
    _heartbeats: dict[str, tuple[float | None, float]] = field(default_factory=dict)
    _latencies: defaultdict[str, deque[float]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_LATENCIES))
    )

    def __post_init__(self) -> None:
        self._lives = LivenessWatch(self.rule)

    def set_rule(self, rule: LivenessRule) -> None:
        """Judge by other limits from here on."""
        self.rule = self._lives.rule = rule

    def remember(self, health: NodeHealth, at: float) -> None:
        """Take over what an earlier watch saw at `at`; rows come in their order."""
        if health.latency is not None:
            self._lives.answer(health.node_id, at)
            self._latencies[health.node_id].append(health.latency)
        elif health.node_id not in self._lives or health.heartbeat_age is not None:
            self._lives.hear(health.node_id, at - (health.heartbeat_age or 0.0))
        if health.liveness is Liveness.INACTIVE:
            self._lives.leave(health.node_id)
        self.latest[health.node_id] = health

    def take(self, sightings: Iterable[Sighting], now: float, *, trouble: str | None = None) -> Look:
        """What a look at `now` means; nodes that were there before and are not any more are inactive.

        Args:
            trouble: why nobody could be seen at all.
        """
        rows: list[NodeHealth] = []
        changes: list[HealthChange] = []
        seen = {sighting.node_id: sighting for sighting in sightings}
        for node_id, sighting in seen.items():
            known = self.latest.get(node_id)
            if known is not None and _is_another(known, sighting):
                if known.liveness is not Liveness.INACTIVE:
                    why = f"its process is gone; another one, at {sighting.address}, has its place"
                    self._note(self._gone(node_id, why), rows, changes)
                self._lives.forget(node_id)
                self._heartbeats.pop(node_id, None)
            self._note(self._judge(sighting, now), rows, changes)
        for node_id in [known for known in {**self.latest, **dict.fromkeys(self.expected)} if known not in seen]:
            if node_id in self.expected or not self._is_long_gone(node_id, now):
                self._note(self._gone(node_id, trouble or self._why_gone(node_id, now)), rows, changes)
            else:
                self.forget(node_id)
        return Look(tuple(rows), tuple(changes), trouble)

    def forget(self, node_id: str) -> None:
        """Watch a node no longer."""
        self._lives.forget(node_id)
        self.latest.pop(node_id, None)
        self._latencies.pop(node_id, None)
        self._heartbeats.pop(node_id, None)

    def _note(self, health: NodeHealth, rows: list[NodeHealth], changes: list[HealthChange]) -> None:
        before = self.latest.get(health.node_id)
        health = replace(health, link_breaks=_count_breaks(before, health))
        self.latest[health.node_id] = health
        rows.append(health)
        if before is not None and before.liveness is not health.liveness:
            changes.append(HealthChange(before.liveness, health))

    def _is_long_gone(self, node_id: str, now: float) -> bool:
        return self._lives.silence_of(node_id, now) > REMEMBERED_TIMEOUTS * self.rule.node_timeout

    def _why_gone(self, node_id: str, now: float) -> str:
        known = self.latest.get(node_id)
        if known is None or known.address is None:
            return "it is not joined to the scheduler"
        return f"it has left the scheduler; last seen {self._lives.silence_of(node_id, now):.1f} s ago"

    def _gone(self, node_id: str, why: str) -> NodeHealth:
        if node_id in self._lives:
            self._lives.leave(node_id)
        known = self.latest.get(node_id)
        told = {name: getattr(known, name) for name in ("address", *TOLD)} if known else {}
        return NodeHealth(node_id, Liveness.INACTIVE, why, self.scheduler, **told)

    def _judge(self, sighting: Sighting, now: float) -> NodeHealth:
        node_id, answer = sighting.node_id, sighting.answer
        if answer is not None:
            self._lives.answer(node_id, now)
        else:
            self._hear(sighting, now)
            self._lives.miss(node_id)
        self._heartbeats[node_id] = (sighting.last_seen, now)
        liveness = self._lives.liveness_of(node_id, now)
        lacks = None if answer is None else answer.lacks
        return NodeHealth(
            node_id,
            liveness,
            lacks if liveness is Liveness.ACTIVE else self._why(sighting, now),
            self.scheduler,
            sighting.address,
            heartbeat_age=sighting.heartbeat_age,
            slots=sighting.slots,
            **{name: getattr(sighting, name) for name in TOLD},
            **self._measures_of(sighting, now),
        )

    def _hear(self, sighting: Sighting, now: float) -> None:
        """Of a node that has not answered: its last heartbeat, though the scheduler's clock may be another than ours.

        So between two looks it counts whether there was one. What an earlier watch has left is believed as it is.
        """
        node_id, by_clock = sighting.node_id, now - sighting.heartbeat_age
        if node_id not in self._heartbeats:
            self._lives.hear(node_id, by_clock if node_id in self._lives or sighting.last_seen is None else now)
            return
        last_seen, looked_at = self._heartbeats[node_id]
        if sighting.last_seen is None:
            self._lives.hear(node_id, by_clock)
        elif sighting.last_seen != last_seen:
            self._lives.hear(node_id, max(by_clock, looked_at))

    def _measures_of(self, sighting: Sighting, now: float) -> dict[str, Any]:
        answer, incarnation = sighting.answer, sighting.incarnation or ""
        if answer is None:
            return {}
        latencies = self._latencies[sighting.node_id]
        latencies.append(answer.latency)
        measures = {name: getattr(answer, name) for name in MEASURES}
        measures |= {"latency": answer.latency, "latency_p50": statistics.median(latencies)}
        if answer.clock is not None:
            self.clocks.add(sighting.node_id, incarnation, [answer.clock], now)
        if (clock := self.clocks.of(sighting.node_id, incarnation, now)) is not None:
            measures |= {"clock_offset": clock.offset, "clock_uncertainty": clock.uncertainty}
        return measures

    def _why(self, sighting: Sighting, now: float) -> str:
        unanswered = f"no answer within {self.rule.probe_seconds:g} s"
        silence = self._lives.silence_of(sighting.node_id, now)
        # Of one that has just been seen for the first time only the scheduler knows how long.
        return f"{unanswered}; last heard of {silence:.1f} s ago" if silence else unanswered


def _is_another(known: NodeHealth, sighting: Sighting) -> bool:
    """Whether another process has the place of the one that was known; a new one may have the old one's address."""
    if known.address not in (None, sighting.address):
        return True
    return known.incarnation not in (None, sighting.incarnation)


def _count_breaks(before: NodeHealth | None, health: NodeHealth) -> int:
    """How often a node was not well at a look after one at which it was; its later processes count on."""
    if before is None:
        return 0
    broke = before.liveness is Liveness.ACTIVE and health.liveness is not Liveness.ACTIVE
    return (before.link_breaks or 0) + broke
