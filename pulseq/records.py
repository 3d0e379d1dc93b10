"""What a run came to, folded from its events: the same fold for reports, resume and queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Status

#: Shared by all tests that wait: an empty dictionary of its own would be a 30th of what one takes.
_NO_ATTEMPTS: Mapping[int, AttemptResult] = MappingProxyType({})


@dataclass(slots=True)
class TestRecord:
    """A planned test with all that is known of it so far."""

    __test__ = False

    planned: TestPlanned
    attempts: Mapping[int, AttemptResult] = field(default_factory=lambda: _NO_ATTEMPTS)
    closed: TestClosed | None = None

    def take(self, result: AttemptResult) -> None:
        """Keep an attempt's result; a late one of an attempt that was given up does not count."""
        known = self.attempts.get(result.attempt)
        if known is None or known.reason not in INFRASTRUCTURE_REASONS:
            self.attempts = {**self.attempts, result.attempt: result}

    @property
    def last(self) -> AttemptResult | None:
        return self.attempts[max(self.attempts)] if self.attempts else None


@dataclass(slots=True)
class RunRecord:
    """A run as its events tell it, complete or not."""

    started: RunStarted | None = None
    prefect: PrefectRunKnown | None = None
    finished: RunFinished | None = None
    tests: dict[tuple[str, str], TestRecord] = field(default_factory=dict)
    running: dict[tuple[str, str], AttemptStarted] = field(default_factory=dict)
    nodes: dict[str, NodeJoined] = field(default_factory=dict)
    lost: list[NodeLost] = field(default_factory=list)
    #: Nodes that were lost and have not come back.
    absent: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        """Take one event in; events come in the order of the run."""
        match event:
            case RunStarted():
                self.started = self.started or event
            case PrefectRunKnown():
                self.prefect = event
            case NodeJoined():
                self.nodes[event.node_id] = event
                self.absent.discard(event.node_id)
            case NodeLost():
                self.lost.append(event)
                self.absent.add(event.node_id)
            case TestPlanned():
                self.tests.setdefault((event.test_id, event.variant), TestRecord(event))
            case TestExpanded():
                self.tests.pop((event.test_id, event.variant), None)
            case AttemptStarted():
                self.running[event.test_id, event.variant] = event
            case AttemptFinished():
                self.running.pop(event.result.key, None)
                if record := self.tests.get(event.result.key):
                    record.take(event.result)
            case TestClosed():
                self.running.pop((event.test_id, event.variant), None)
                if record := self.tests.get((event.test_id, event.variant)):
                    record.closed = event
            case RunNote():
                self.notes.append(event.text)
            case RunFinished():
                self.finished = event

    def counts(self) -> Counter[Status]:
        """How many tests have which verdict; tests that are not closed are not counted."""
        return Counter(record.closed.status for record in self.tests.values() if record.closed)


def fold(events: Iterable[Event]) -> RunRecord:
    """The record of a run from all its events."""
    record = RunRecord()
    for event in events:
        record.apply(event)
    return record
