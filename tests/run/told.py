"""A run's events as a test sees them: kept, and folded as they are told."""

from __future__ import annotations

import time
from collections.abc import Callable

from pulseq.events import Event
from pulseq.records import RunRecord
from pulseq.run.ledger import Ledger


class Told(list[Event]):
    """All that was told, with what it comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.record = RunRecord()

    def emit(self, event: Event) -> None:
        self.append(event)
        self.record.apply(event)

    def take(self) -> list[Event]:
        """What was told since the last call."""
        events = list(self)
        self.clear()
        return events

    def ledger(self, clock: Callable[[], float] = time.time) -> Ledger:
        """A ledger that tells here."""
        return Ledger(self.record, self.emit, clock)


def told_by(ledger: Ledger) -> list[Event]:
    """What a ledger of a `Told` has told since this was asked last."""
    told = getattr(ledger.emit, "__self__", None)
    assert isinstance(told, Told)
    return told.take()
