"""The clocks of a run's nodes: what they say of times is put on the clock of the driver, which is the run's."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from msgspec.structs import replace

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.node_clock import NodeClocks
from pulseq.events import Event, NodeHealth, RunNote
from pulseq.models import AttemptResult, Liveness
from pulseq.protocol.clock_offset import ClockOffset, read_clock_id, say_offset
from pulseq.protocol.from_node import TICK_SECONDS, AttemptEnd, CasesFound, NodeMessage, TaskRunState

#: How often a node's clock is asked at its joining, at most, and what is good enough to ask no more.
_ASKED = 3
_GOOD_SECONDS = 0.005
#: So long an answer is waited for then.
_PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class RunClocks:
    """Knows the clocks of the nodes of one run.

    Args:
        tell: takes what is found at a node's joining, and a note on each clock that people should set.

    Attributes:
        clocks: what was measured, at joining and since; a watch over the nodes adds to it.
    """

    cluster: Cluster
    tell: Callable[[Event], None]
    clocks: NodeClocks = field(default_factory=NodeClocks)
    now: Callable[[], float] = time.monotonic
    clock_id: str = field(default_factory=read_clock_id)
    wall: Callable[[], float] = time.time
    _warned: set[str] = field(default_factory=set)
    #: By incarnation, and by task run that has not ended.
    _last_state: dict[str, float] = field(default_factory=dict)
    _started: dict[UUID, float] = field(default_factory=dict)

    async def meet(self, node: LiveNode) -> None:
        """Ask a node that joins for its time, unless it runs under the same kernel as this process."""
        if not self.differs(node):
            return
        for _ in range(_ASKED):
            answer = None
            with contextlib.suppress(OSError):  # the scheduler is gone, which is told elsewhere
                answer = await self.cluster.probe(node, _PATIENCE_SECONDS)
            if answer is None:
                break
            if answer.clock is not None:
                self.clocks.add(node.id, node.incarnation, [answer.clock], self.now())
                if answer.clock.uncertainty <= _GOOD_SECONDS:
                    break
        found = self.clocks.of(node.id, node.incarnation, self.now())
        if found is not None:
            self.tell(_row(node, found))
            self.warn(node.id, found)

    def heed(self, health: NodeHealth) -> None:
        """Warn of the clock that a later look has found, where that is due."""
        if health.clock_offset is not None and health.clock_uncertainty is not None:
            self.warn(health.node_id, ClockOffset(health.clock_offset, health.clock_uncertainty))

    def warn(self, node_id: str, clock: ClockOffset) -> None:
        """Tell once of a clock that is far off."""
        if clock.is_far and node_id not in self._warned:
            self._warned.add(node_id)
            self.tell(
                RunNote(
                    f"the clock of node {node_id} is {say_offset(clock)}: its times are put on the clock of this run, "
                    "but what its tests compare with other machines is not; set it there"
                )
            )

    def shift_of(self, node: LiveNode) -> float:
        """Seconds to take off the node's times now."""
        known = self.clocks.of(node.id, node.incarnation, self.now())
        return 0.0 if known is None else known.shift

    def now_at(self, node: LiveNode) -> float:
        """What the node's clock says now, in Unix seconds, as far as it is known."""
        return self.wall() + (self.shift_of(node) if self.differs(node) else 0.0)

    def differs(self, node: LiveNode) -> bool:
        """Whether the node's clock is not this process's, as far as that is known."""
        clock_id = node.labels.get("clock")
        return clock_id is not None and not (clock_id and clock_id == self.clock_id)

    def placed(self, node: LiveNode, result: AttemptResult, sent_at: float | None, now: float) -> AttemptResult:
        """A result that started when it can have started, also where the node's clock was set meanwhile."""
        return within(result, sent_at, now) if self.differs(node) else result

    def on_our_clock(self, node: LiveNode, message: NodeMessage) -> NodeMessage:
        """What a node says, with its times on the clock of this process; messages come in their order."""
        if not self.differs(node):
            return message
        shift = self.shift_of(node)
        moved = message if shift == 0.0 else shifted(message, shift)
        return self._in_order(node, moved) if isinstance(moved, TaskRunState) else moved

    def _in_order(self, node: LiveNode, state: TaskRunState) -> TaskRunState:
        """A state no earlier than the one before of its node and no later than now, also where a clock was set."""
        now, incarnation = self.wall(), node.incarnation
        # The API takes what is newer.
        earliest = min(self._last_state.get(incarnation, state.at - TICK_SECONDS) + TICK_SECONDS, now)
        at = self._last_state[incarnation] = min(max(state.at, earliest), now)
        started_at = self._started.pop(state.id, None)
        if started_at is None and state.started_at is not None:
            started_at = min(max(state.started_at, earliest), at)
        if started_at is not None and state.ended_at is None:
            self._started[state.id] = started_at
        ended_at = None if state.ended_at is None else at
        return replace(state, at=at, started_at=started_at, ended_at=ended_at)


def _row(node: LiveNode, clock: ClockOffset) -> NodeHealth:
    return NodeHealth(
        node.id,
        Liveness.ACTIVE,
        address=node.address,
        slots=node.slots,
        incarnation=node.incarnation or None,
        host=node.host,
        clock_offset=clock.offset,
        clock_uncertainty=clock.uncertainty,
    )


def shifted(message: NodeMessage, seconds: float) -> NodeMessage:
    """A message whose times are so many seconds earlier; durations stay."""
    match message:
        case AttemptEnd(result):
            return AttemptEnd(_earlier(result, seconds))
        case CasesFound():
            cases = tuple(_earlier(case, seconds) for case in message.cases)
            bad_files = tuple(_earlier(file, seconds) for file in message.bad_files)
            return replace(message, cases=cases, bad_files=bad_files)
        case TaskRunState():
            times = {name: getattr(message, name) for name in ("at", "started_at", "ended_at", "scheduled_at")}
            return replace(message, **{name: at - seconds for name, at in times.items() if at is not None})
    return message


def _earlier(result: AttemptResult, seconds: float) -> AttemptResult:
    # Zero says that nothing was started.
    return replace(result, started_at=result.started_at - seconds) if result.started_at > 0 else result


#: Two moments that are nearer to each other than this may be one, reckoned twice.
_ROUNDING_SECONDS = 1e-4


def within(result: AttemptResult, sent_at: float | None, now: float) -> AttemptResult:
    """A result whose attempt started after it was sent, and ended before it came: moments that the driver knows itself.

    Beyond them a clock was set while it ran, and its start is where it is nearest. Where they contradict each other,
    that clock was ours, and they say nothing.
    """
    latest = now - result.duration
    if not result.started_at or sent_at is None or sent_at - latest > _ROUNDING_SECONDS:
        return result
    started_at = min(max(result.started_at, sent_at), latest)
    return result if started_at == result.started_at else replace(result, started_at=started_at)
