"""The slots of a node: which dispatch has one, and which waits for which."""

from __future__ import annotations

import asyncio
import bisect
from dataclasses import dataclass, field

from pulseq.engine.dispatch_under_way import DispatchUnderWay


@dataclass(slots=True, eq=False)
class Place:
    """A dispatch on its node, from its arrival to its end.

    Attributes:
        turn: set when it may go on: it has a slot, or it is not to wait for one any longer.
        heir: who gets its slot when it is done, whoever else waits; `heir_of` is the other end of that.
    """

    under_way: DispatchUnderWay
    priority: int = 0
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    has_slot: bool = False
    heir: Place | None = None
    heir_of: Place | None = None

    def bequeath(self, heir: Place | None) -> None:
        """Have this one get the slot, or nobody in particular."""
        if self.heir is not None:
            self.heir.heir_of = None
        self.heir = heir
        if heir is not None:
            heir.heir_of = self


class NodeSlots:
    """Gives the slots of a node to the dispatches of all runs there, the highest priority first, then the first come.

    A driver may send more than there are slots, so that none of them waits for the way there.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._line: list[Place] = []

    def enter(self, place: Place, after: Place | None = None) -> None:
        """A dispatch has come; it gets the slot of `after` when that is done, else one now, or stands in line."""
        if after is not None and after.has_slot and after.heir is None:
            after.bequeath(place)
        elif self._free:
            self._free -= 1
            _give_slot(place)
        else:
            bisect.insort(self._line, place, key=lambda waiting: -waiting.priority)

    def leave(self, place: Place) -> None:
        """A dispatch is done, or waits no longer."""
        if place.has_slot:
            place.has_slot = False
            self._hand_on(place)
        elif place.heir_of is not None:
            place.heir_of.bequeath(None)
        elif place in self._line:
            self._line.remove(place)

    def _hand_on(self, place: Place) -> None:
        successor = self.next_after(place)
        if successor is None:
            self._free += 1
            return
        if successor is not place.heir:
            self._line.remove(successor)
        place.bequeath(None)
        _give_slot(successor)

    def next_after(self, place: Place) -> Place | None:
        """Who would get the slot of this dispatch if it were done now."""
        return place.heir or next(iter(self._line), None)

    def reserve(self, place: Place, heir: Place) -> None:
        """Keep the slot of a dispatch for one that stands in line, or that has been its heir before."""
        if place.heir is not heir:
            self._line.remove(heir)
            place.bequeath(heir)


def _give_slot(place: Place) -> None:
    place.has_slot = True
    place.turn.set()
