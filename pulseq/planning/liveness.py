"""Whether nodes live, told from when they were last heard of. Pure: the clock is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field

from pulseq.models import Liveness


@dataclass(frozen=True, slots=True)
class LivenessRule:
    """From silence to liveness; both limits are seconds.

    A node that is silent for `node_timeout` is inactive. Before that it is suspect once it has been silent
    for longer than half-way from `heartbeat_interval` to `node_timeout`, or has left a probe unanswered.

    Raises:
        ValueError: a limit is not above zero.
    """

    heartbeat_interval: float
    node_timeout: float

    def __post_init__(self) -> None:
        for name in ("heartbeat_interval", "node_timeout"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ValueError(f"{name}: found {value!r}, expected seconds above 0")

    @property
    def suspect_after(self) -> float:
        """Seconds of silence after which a node is suspect."""
        return (min(self.heartbeat_interval, self.node_timeout) + self.node_timeout) / 2

    @property
    def poll_interval(self) -> float:
        """How often nodes are to be looked at, for a dead one to be noticed soon after `node_timeout`."""
        return min(self.heartbeat_interval, self.node_timeout / 3)

    @property
    def probe_seconds(self) -> float:
        """How long a probe may take before it counts as unanswered."""
        return min(self.node_timeout / 3, 5.0)

    def judge(self, silent_seconds: float, *, unanswered: bool = False) -> Liveness:
        """The liveness of a node that was last heard of so long ago."""
        if silent_seconds >= self.node_timeout:
            return Liveness.INACTIVE
        if unanswered or silent_seconds >= self.suspect_after:
            return Liveness.SUSPECT
        return Liveness.ACTIVE


@dataclass(slots=True)
class _Silence:
    heard_at: float
    unanswered: bool = False
    gone: bool = False


@dataclass(slots=True)
class LivenessWatch:
    """Nodes and when each was last heard of; times are seconds of one clock, the caller's."""

    rule: LivenessRule
    _nodes: dict[str, _Silence] = field(default_factory=dict)

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._nodes

    def answer(self, node_id: str, now: float) -> None:
        """A node gave a sign of life just now, whatever the clock said before: it answered, or reported by itself."""
        self._nodes[node_id] = _Silence(now)

    def hear(self, node_id: str, at: float) -> None:
        """A node gave a sign of life at some moment; one older than the last changes nothing."""
        node = self._nodes.setdefault(node_id, _Silence(at))
        if at >= node.heard_at:
            node.heard_at, node.unanswered, node.gone = at, False, False

    def miss(self, node_id: str) -> None:
        """A node left a probe unanswered."""
        self._nodes[node_id].unanswered = True

    def leave(self, node_id: str) -> None:
        """A node is known to be gone: inactive without waiting, until it is heard of again."""
        self._nodes[node_id].gone = True

    def forget(self, node_id: str) -> None:
        """Watch a node no longer."""
        self._nodes.pop(node_id, None)

    def silence_of(self, node_id: str, now: float) -> float:
        """Seconds since a node was last heard of; never below zero, whatever the clock does."""
        return max(now - self._nodes[node_id].heard_at, 0.0)

    def liveness_of(self, node_id: str, now: float) -> Liveness:
        """How a node does.

        Raises:
            KeyError: it is not watched.
        """
        node = self._nodes[node_id]
        if node.gone:
            return Liveness.INACTIVE
        return self.rule.judge(self.silence_of(node_id, now), unanswered=node.unanswered)

    def liveness(self, now: float) -> dict[str, Liveness]:
        """How every node does, in the order in which they were first heard of."""
        return {node_id: self.liveness_of(node_id, now) for node_id in self._nodes}
