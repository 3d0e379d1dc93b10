"""What a slot runs after the batch that it is at: pytest has to know it before the batch's last item begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pulseq.engine.node_slots import NodeSlots, Place
from pulseq.models import PytestOrder, PytestSpec

#: An answer that takes longer than this is not waited for: pytest is then told of no next item.
PATIENCE_SECONDS = 5.0


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
        self._asked: dict[str, asyncio.Future[None]] = {}
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

    def note_answer(self, key: str) -> None:
        """The driver has answered about a dispatch, or no answer is needed any more."""
        future = self._asked.pop(key, None)
        if future is not None and not future.done():
            future.set_result(None)

    def give_up(self) -> None:
        """The run is stopped: nothing follows."""
        self._given_up = True
        for key in list(self._asked):
            self.note_answer(key)

    async def _ask_driver(self, key: str) -> None:
        if self._given_up:
            return
        if key not in self._asked:
            self._asked[key] = asyncio.get_running_loop().create_future()
            self._ask(key)
        await asyncio.wait({self._asked[key]}, timeout=self._patience_seconds)
