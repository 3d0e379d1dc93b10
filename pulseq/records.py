"""What a run came to, folded from its events: the same fold for reports, resume and queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    EntryCollected,
    Event,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, PytestWarning, Status

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

    @property
    def xpassed(self) -> str | None:
        """The reason for which a test that passed was expected to fail; may be empty."""
        last = self.last
        return last.xpassed if last and self.closed and self.closed.status is Status.PASSED else None


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
    #: By entry; the machines that collect it find the same.
    collected: dict[str, EntryCollected] = field(default_factory=dict)
    #: By entry and node.
    sessions: dict[tuple[str, str], SessionFinished] = field(default_factory=dict)

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
            case EntryCollected():
                self.collected[event.entry] = event
            case SessionFinished():
                self.sessions[event.entry, event.node_id] = event
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

    @property
    def deselected(self) -> int:
        """Items that pytest collected and that were not asked for."""
        return sum(collected.deselected for collected in self.collected.values())

    @property
    def xpassed(self) -> int:
        """Tests that passed although they were expected to fail."""
        return sum(record.xpassed is not None for record in self.tests.values())

    @property
    def reruns(self) -> int:
        """Attempts that a plug-in of pytest followed with another one in the same start."""
        return sum(result.rerun for record in self.tests.values() for result in record.attempts.values())

    @property
    def subtests_passed(self) -> int:
        """Subtests that passed, in the last attempts of their tests."""
        lasts = (record.last for record in self.tests.values())
        return sum(last.subtests.get("passed", 0) for last in lasts if last and last.subtests)

    def pytest_warnings(self) -> Iterator[tuple[str, PytestWarning]]:
        """What pytest recorded, each with the id of its test or, of a collection or a session, of its entry."""
        for collected in self.collected.values():
            yield from ((collected.entry, warning) for warning in collected.warnings)
        for record in self.tests.values():
            for result in record.attempts.values():
                yield from ((result.test_id, warning) for warning in result.pytest_warnings)
        for session in self.sessions.values():
            yield from ((session.entry, warning) for warning in session.warnings)


def fold(events: Iterable[Event]) -> RunRecord:
    """The record of a run from all its events."""
    record = RunRecord()
    for event in events:
        record.apply(event)
    return record
