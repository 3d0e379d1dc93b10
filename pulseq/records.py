"""What a run has come to, folded from its events: one fold for the run itself and for whatever reads its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec.structs import replace

from pulseq.artifacts import warn_of_missing
from pulseq.events import (
    ArtifactsKept,
    AttemptFinished,
    AttemptStarted,
    EntryCollected,
    Event,
    NodeHealth,
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
from pulseq.models import (
    INFRASTRUCTURE_REASONS,
    NO_VERDICT_REASONS,
    AttemptResult,
    Key,
    PytestWarning,
    Reason,
    Status,
    TestCase,
)

#: Shared by all tests that wait: an empty dictionary of its own would be a 30th of what one takes.
_NO_ATTEMPTS: Mapping[int, AttemptResult] = MappingProxyType({})


@dataclass(slots=True)
class SentTo:
    """Where a test is that was given to a node.

    Attributes:
        dispatch: the key of the dispatch that carries it.
        began_at: Unix seconds; None as long as the node has not said that the test has begun there.
        sent_at: Unix seconds.
    """

    node_id: str
    dispatch: str = ""
    began_at: float | None = None
    sent_at: float | None = None


@dataclass(slots=True)
class TestRecord:
    """A test of a run: all that its events have told, and where the run has it now, which no event tells.

    Attributes:
        attempts: the results so far, by the number of the attempt.
        begun: the attempt that has begun and has no result.
        losses: how many nodes were lost while it ran on them, or at most one under which it only may have begun.
        starved: how many of its attempts machines had no memory, disk or project for; their nodes live on.
        lost_on: the nodes of both.
        case: what is to be run; None where a journal is read.
        sent: where it is; None for a test that waits, and for one that has its verdict.
        ready_at: monotonic seconds since when it could start; None where that is as long as the flow run's.
    """

    __test__ = False

    planned: TestPlanned
    attempts: Mapping[int, AttemptResult] = field(default_factory=lambda: _NO_ATTEMPTS)
    closed: TestClosed | None = None
    begun: AttemptStarted | None = None
    losses: int = 0
    starved: int = 0
    lost_on: frozenset[str] = frozenset()
    case: TestCase | None = field(default=None, compare=False)
    sent: SentTo | None = field(default=None, compare=False)
    ready_at: float | None = field(default=None, compare=False)

    @property
    def key(self) -> Key:
        return (self.planned.test_id, self.planned.variant)

    def take(self, result: AttemptResult, *, node_is_gone: bool = False) -> None:
        """Keep an attempt's result; a late one of an attempt that was given up does not count."""
        known = self.attempts.get(result.attempt)
        if known is None and self.closed is None and result.reason is Reason.NODE_LOST:
            self._lose(result.node_id, node_is_gone=node_is_gone)
        if self.begun is not None and self.begun.attempt <= result.attempt:
            self.begun = None
        if known is None or known.reason not in INFRASTRUCTURE_REASONS:
            self.attempts = {**self.attempts, result.attempt: result}

    def _lose(self, node_id: str, *, node_is_gone: bool) -> None:
        if not node_is_gone:
            self.starved += 1
        elif self.losses and not self._has_told_start:
            return  # of a suspect the start is told before it begins
        else:
            self.losses += 1
        self.lost_on |= {node_id}

    @property
    def _has_told_start(self) -> bool:
        return self.begun is not None and self.begun.task_run is not None

    @property
    def last_attempt(self) -> int:
        """The number of the attempt under way, or else of the last that has a result; 0 before the first."""
        return self.begun.attempt if self.begun is not None else max(self.attempts, default=0)

    @property
    def next_attempt(self) -> int:
        """The number of the attempt whose result comes next."""
        return self.last_attempt if self.begun is not None else self.last_attempt + 1

    @property
    def failures(self) -> int:
        """Attempts that count against the test, and each of which uses up a retry."""
        return sum(_is_failure(result) and not result.rerun for result in self.attempts.values())

    @property
    def has_failed(self) -> bool:
        """Whether an attempt counts against the test, also one that pytest itself has followed with another."""
        return any(map(_is_failure, self.attempts.values()))

    @property
    def max_retries(self) -> int:
        return self.case.max_retries if self.case is not None else 0

    @property
    def retries_left(self) -> int:
        """Further attempts after the next one, if that fails."""
        return max(self.max_retries - self.failures, 0)

    @property
    def is_suspect(self) -> bool:
        """Whether a node was lost under it."""
        return self.losses > 0

    def awaits(self, result: AttemptResult) -> bool:
        """Whether a result is that of the attempt under way, and not a late one of an earlier."""
        there = self.sent is not None and self.sent.node_id == result.node_id
        return there and self.closed is None and result.attempt >= self.next_attempt

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
    """A run as its events tell it, complete or not.

    Attributes:
        open: tests without a verdict.
        failures: tests that have a bad verdict of their own.
    """

    started: RunStarted | None = None
    prefect: PrefectRunKnown | None = None
    finished: RunFinished | None = None
    tests: dict[Key, TestRecord] = field(default_factory=dict)
    open: int = 0
    failures: int = 0
    nodes: dict[str, NodeJoined] = field(default_factory=dict)
    #: The last look at each, with the last clock that one has found.
    health: dict[str, NodeHealth] = field(default_factory=dict)
    lost: list[NodeLost] = field(default_factory=list)
    #: Nodes that were lost and have not come back.
    absent: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    #: By entry; the machines that collect it find the same.
    collected: dict[str, EntryCollected] = field(default_factory=dict)
    #: By entry and node.
    sessions: dict[tuple[str, str], SessionFinished] = field(default_factory=dict)
    #: What attempts left, by their tests and numbers; of an entry that became tests of its own, too.
    artifacts: dict[Key, dict[int, ArtifactsKept]] = field(default_factory=dict)

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
            case NodeHealth():
                self._see(event)
            case NodeLost():
                self.lost.append(event)
                self.absent.add(event.node_id)
            case TestPlanned():
                self._plan(event)
            case TestExpanded():
                self._drop((event.test_id, event.variant))
            case EntryCollected():
                self.collected[event.entry] = event
            case SessionFinished():
                self.sessions[event.entry, event.node_id] = event
            case AttemptStarted():
                if test := self.tests.get((event.test_id, event.variant)):
                    test.begun = event
            case AttemptFinished(result):
                if test := self.tests.get(result.key):
                    test.take(result, node_is_gone=result.node_id in self.absent)
                    self._warn_of_missing(test, result.attempt)
            case TestClosed():
                self._close(event)
            case ArtifactsKept():
                self._keep(event)
            case RunNote():
                self.notes.append(event.text)
            case RunFinished():
                self.finished = event

    def _keep(self, event: ArtifactsKept) -> None:
        self.artifacts.setdefault(event.key, {})[event.attempt] = event
        if test := self.tests.get(event.key):
            self._warn_of_missing(test, event.attempt)

    def _warn_of_missing(self, test: TestRecord, attempt: int) -> None:
        """Have what did not come home as warnings of its attempt, whichever was told first, and each once."""
        kept = self.artifacts.get(test.key, {}).get(attempt)
        result = test.attempts.get(attempt)
        if kept is not None and result is not None and (warnings := warn_of_missing(kept.files)):
            told = tuple(dict.fromkeys((*result.warnings, *warnings)))
            test.attempts = {**test.attempts, attempt: replace(result, warnings=told)}

    def _see(self, seen: NodeHealth) -> None:
        known = self.health.get(seen.node_id)
        if seen.clock_offset is None and known is not None:
            seen = replace(seen, clock_offset=known.clock_offset, clock_uncertainty=known.clock_uncertainty)
        self.health[seen.node_id] = seen

    def _plan(self, event: TestPlanned) -> None:
        key = (event.test_id, event.variant)
        if key not in self.tests:
            self.tests[key] = TestRecord(event)
            self.open += 1

    def _drop(self, key: Key) -> None:
        test = self.tests.pop(key, None)
        self.open -= test is not None and test.closed is None

    def _close(self, event: TestClosed) -> None:
        if test := self.tests.get((event.test_id, event.variant)):
            self.open -= test.closed is None
            before = test.closed is not None and is_own_failure(test.closed)
            self.failures += is_own_failure(event) - before
            test.closed = event

    @property
    def deselected(self) -> int:
        """Items that pytest collected and that were not asked for."""
        return sum(collected.deselected for collected in self.collected.values())

    @property
    def is_well_without_tests(self) -> bool:
        """Whether pytest found no items and its sessions ended with 0, as plug-ins have it where none are needed."""
        found = any(collected.items for collected in self.collected.values())
        return bool(self.sessions) and not found and all(one.exit_status == 0 for one in self.sessions.values())

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

    @property
    def categories(self) -> Counter[str]:
        """How many reports of pytest are in categories that plug-ins have made up."""
        counts: Counter[str] = Counter()
        for session in self.sessions.values():
            counts.update(dict(session.categories))
        return counts

    def pytest_warnings(self) -> Iterator[tuple[str, PytestWarning]]:
        """What pytest recorded, each with the id of its test or, of a collection or a session, of its entry."""
        for collected in self.collected.values():
            yield from ((collected.entry, warning) for warning in collected.warnings)
        for record in self.tests.values():
            for result in record.attempts.values():
                yield from ((result.test_id, warning) for warning in result.pytest_warnings)
        for session in self.sessions.values():
            yield from ((session.entry, warning) for warning in session.warnings)


def fold(events: Iterable[Event], record: RunRecord | None = None) -> RunRecord:
    """The record of a run from all its events, or from those that follow on what a record has of them."""
    record = record if record is not None else RunRecord()
    for event in events:
        record.apply(event)
    return record


def is_own_failure(closed: TestClosed) -> bool:
    """Whether a verdict is bad and the test's own: exit code 1 and --maxfail count these."""
    if closed.status not in (Status.FAILED, Status.ERROR):
        return False
    return closed.reason is not Reason.CANCELLED and closed.reason not in NO_VERDICT_REASONS


def _is_failure(result: AttemptResult) -> bool:
    return result.status in (Status.FAILED, Status.ERROR) and result.reason not in INFRASTRUCTURE_REASONS
