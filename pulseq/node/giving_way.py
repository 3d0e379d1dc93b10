"""Long dispatches give way to other runs that have had less of their node."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.background import Background
from pulseq.node.node_slots import KEEP_SECONDS, NodeSlots


class GivingWay:
    """Looks at the slots of a node when somebody comes or goes, and again for as long as another run waits there."""

    def __init__(self, slots: NodeSlots, on_death: Callable[[str, BaseException], None]) -> None:
        self._slots = slots
        self._background = Background(on_death)
        self._looks_again = False
        slots.on_change = self._look

    def _look(self) -> None:
        if not self._looks_again and self._slots.make_room():
            self._looks_again = True
            self._background.later(KEEP_SECONDS / 2, self._look_again)

    def _look_again(self) -> None:
        self._looks_again = False
        self._look()

    async def close(self) -> None:
        """Look no more."""
        await self._background.end()
