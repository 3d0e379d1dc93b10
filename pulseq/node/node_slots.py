"""The slots of a node: which dispatch has one, and which waits for which."""

from __future__ import annotations

import asyncio
import bisect
from dataclasses import dataclass, field

from pulseq.node.dispatch_under_way import DispatchUnderWay


@dataclass(slots=True, eq=False)
class Place:
    """A dispatch on its node, from its arrival to its end.

    Attributes:
        run: the id of its run.
        turn: set when it may go on: it has a slot, or it is not to wait for one any longer.
        round: its place among dispatches of all runs, of which each has one a round.
        heir: who gets its slot when it is done, whoever else waits; `heir_of` is the other end of that.
    """

    under_way: DispatchUnderWay
    priority: int = 0
    run: str = ""
    round: int = 0
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
    """Gives the slots of a node to the dispatches of all runs there, the highest priority first, then in turns.

    Turns are those of start-time fair queueing, with a dispatch as the unit of cost (Goyal, Vin, Cheng 1997): a run
    that comes late, or had few, waits for one dispatch of each other run at most, however many of those wait.
    A driver may send more than there are slots, so that none of them waits for the way there.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._line: list[Place] = []
        self._round = 0
        self._rounds: dict[str, int] = {}

    def enter(self, place: Place, after: Place | None = None) -> None:
        """A dispatch has come; it gets the slot of `after` when that is done, else one now, or stands in line."""
        if after is not None and after.has_slot and after.heir is None:
            after.bequeath(place)
            return
        place.round = self._rounds[place.run] = max(self._round, self._rounds.get(place.run, 0) + 1)
        if self._free:
            self._free -= 1
            self._give_slot(place)
        else:
            bisect.insort(self._line, place, key=lambda waiting: (-waiting.priority, waiting.round))

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
            # Who has nothing here has nothing to make up for either.
            self._rounds = {run: at for run, at in self._rounds.items() if at >= self._round}
            return
        if successor is not place.heir:
            self._line.remove(successor)
        place.bequeath(None)
        self._give_slot(successor)

    def next_after(self, place: Place) -> Place | None:
        """Who would get the slot of this dispatch if it were done now."""
        return place.heir or next(iter(self._line), None)

    def reserve(self, place: Place, heir: Place) -> None:
        """Keep the slot of a dispatch for one that stands in line, or that has been its heir before."""
        if place.heir is not heir:
            self._line.remove(heir)
            place.bequeath(heir)

    def _give_slot(self, place: Place) -> None:
        self._round = max(self._round, place.round)
        place.has_slot = True
        place.turn.set()
