"""What a slot runs after the batch that it is at: pytest has to know it before the batch's last item begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pulseq.node.node_slots import NodeSlots, Place
from pulseq.pytest_sessions import PytestOrder, PytestSpec

#: An answer that takes longer than this is not waited for: pytest is then told of no next item.
PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class _Question:
    """What the driver was asked about a dispatch, with the dispatches that have come since."""

    answered: asyncio.Future[None]
    arrived: set[str] = field(default_factory=set)
    waits_for: str | None = None


class NextItems:
    """Finds it in the dispatch itself, or among those that wait on this node, or asks the driver.

    Args:
        slots: those of the node.
        ask: sends the question about a dispatch; its answer is a dispatch that came, or that there is none.
    """

    def __init__(
        self, slots: NodeSlots, ask: Callable[[str], None], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._slots = slots
        self._ask = ask
        self._patience_seconds = patience_seconds
        self._asked: dict[str, _Question] = {}
        self._given_up = False

    async def find(self, key: str, place: Place, spec: PytestSpec) -> PytestOrder | None:
        """The item of this session that the slot of a dispatch runs after what it has begun, which is then a promise.

        None where it goes on with something else, or where nothing is known. To ask again is to hear the same.
        """
        if place.under_way.has_more:
            return place.under_way.promise_first(spec)
        if self._slots.next_after(place) is None:
            await self._ask_driver(key)
        heir = self._slots.next_after(place)
        if heir is None or self._given_up or not place.has_slot:
            return None
        order = heir.under_way.promise_first(spec)
        if order is not None:
            self._slots.reserve(place, heir)
        return order

    def note_arrival(self, key: str, after: str | None) -> None:
        """A dispatch has come: to follow another one, or to wait for any slot."""
        for asked, question in list(self._asked.items()):
            question.arrived.add(key)
            if asked == after or question.waits_for == key:
                self.forget(asked)

    def note_decline(self, key: str, coming: str | None) -> None:
        """The driver sends nothing to follow a dispatch; `coming`, for any slot, was on its way when it was asked."""
        question = self._asked.get(key)
        if question is None:
            return
        if coming is None or coming in question.arrived:
            self.forget(key)
        else:
            question.waits_for = coming

    def forget(self, key: str) -> None:
        """Nothing more is to be heard about a dispatch."""
        question = self._asked.pop(key, None)
        if question is not None and not question.answered.done():
            question.answered.set_result(None)

    def give_up(self) -> None:
        """The run is stopped: nothing follows."""
        self._given_up = True
        for key in list(self._asked):
            self.forget(key)

    async def _ask_driver(self, key: str) -> None:
        if self._given_up:
            return
        if key not in self._asked:
            self._asked[key] = _Question(asyncio.get_running_loop().create_future())
            self._ask(key)
        await asyncio.wait({self._asked[key].answered}, timeout=self._patience_seconds)
