"""What is known of the clocks of nodes, from several probes. Pure: the time that ages it is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from pulseq.protocol.clock_offset import ClockOffset

#: So many of the last measurements are kept.
_KEPT = 8
#: How far two clocks may drift apart in a second: a few times what quartz does.
_DRIFT = 1e-4


@dataclass(slots=True)
class ClockHistory:
    """The last measurements of one clock, and the best of them now."""

    _measured: deque[tuple[float, ClockOffset]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def add(self, measured: ClockOffset, now: float) -> None:
        """One more; where it cannot be true together with those before, a clock was set, and they count no more."""
        best = self.best(now)
        if best is not None and abs(measured.offset - best.offset) > measured.uncertainty + best.uncertainty:
            self._measured.clear()
        self._measured.append((now, measured))

    def best(self, now: float) -> ClockOffset | None:
        """The surest of them at `now`, with what the clocks may have drifted since."""
        aged = [ClockOffset(one.offset, one.uncertainty + _DRIFT * max(now - at, 0.0)) for at, one in self._measured]
        return min(reversed(aged), key=lambda one: one.uncertainty, default=None)


@dataclass(slots=True)
class NodeClocks:
    """What is known of the clocks of nodes, each start of one for itself."""

    _known: dict[str, tuple[str, ClockHistory]] = field(default_factory=dict)

    def add(self, node_id: str, incarnation: str, measured: Iterable[ClockOffset], now: float) -> None:
        """Take in what was measured at `now` of a start of a node."""
        known, history = self._known.get(node_id, ("", None))
        if history is None or known != incarnation:
            history = ClockHistory()
            self._known[node_id] = (incarnation, history)
        for one in measured:
            history.add(one, now)

    def of(self, node_id: str, incarnation: str, now: float) -> ClockOffset | None:
        """The best that is known at `now`; None where that is nothing."""
        known, history = self._known.get(node_id, ("", None))
        return history.best(now) if history is not None and known == incarnation else None
