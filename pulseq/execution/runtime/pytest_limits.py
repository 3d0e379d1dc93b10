"""What an item of pytest may hold and write at most, looked at while it runs."""

from __future__ import annotations

import time
from typing import Any, Dict, Optional

from .body_ending import Ending, decide
from .process_tree import LIMITED_LOOK_SECONDS, TreeWatcher


class ItemLimits:
    """The limits of the items of one slot, whose process and all below it are this process's children.

    A slot's process runs one item after the other, so what earlier ones and the collection have left in it counts.

    Args:
        limits: `memory` and `output` in bytes, each None for none.

    Attributes:
        next_look: when, by the monotonic clock, to look again; None where nothing is limited.
    """

    def __init__(self, limits: Dict[str, Optional[int]]) -> None:
        self._memory, self._output = limits["memory"], limits["output"]
        self._watcher = TreeWatcher()
        self._held = 0
        self.next_look = None if self._memory is None and self._output is None else 0.0

    def look(self, written: int) -> Optional[str]:
        """Look, when it is time to, at an item that has written so many bytes; why it has to end."""
        now = time.monotonic()
        if self.next_look is None or now < self.next_look:
            return None
        self.next_look = now + LIMITED_LOOK_SECONDS
        if self._memory is not None:
            self._held = self._watcher.sample().rss_bytes
            if self._held > self._memory:
                return "memory"
        return "output_limit" if self._output is not None and written > self._output else None

    def ending(self, cause: Optional[str], **seen: Any) -> Ending:
        """How an item ended that was ended for a cause."""
        held = self._held if cause == "memory" else 0
        return Ending(cause, memory_limit=self._memory, output_limit=self._output, peak_rss=held, **seen)

    def judge(self, message: Dict[str, Any]) -> None:
        """Make the verdict of an item that ended by itself one on its output, where that was too much."""
        if self._output is not None and message["output_bytes"] > self._output:
            message.update(decide(self.ending("output_limit")), short=None)
