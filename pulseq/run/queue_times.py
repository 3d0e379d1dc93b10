"""How long tests waited: from when they could have started to when they did."""

from __future__ import annotations

import time

from msgspec.structs import replace

from pulseq.models import AttemptResult
from pulseq.run.ledger import Key


class QueueTimes:
    """Knows since when a test could start: the flow run's begin, or when it was queued (again)."""

    def __init__(self) -> None:
        self._flow_began: float | None = None
        self._ready_at: dict[Key, float] = {}

    def begin(self) -> None:
        """Until now no test could have started, however long the servers took."""
        self._flow_began = time.monotonic()

    def note_ready(self, key: Key) -> None:
        """A test could start from now on."""
        if self._flow_began is not None:
            self._ready_at[key] = time.monotonic()

    def with_queue_time(self, result: AttemptResult) -> AttemptResult:
        """A result that has just come, with the time that its test waited."""
        ready = self._ready_at.pop(result.key, self._flow_began if result.attempt == 1 else None)
        if ready is None:
            return result
        return replace(result, queue_seconds=max(time.monotonic() - ready - result.duration, 0.0))
