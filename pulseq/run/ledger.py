"""What has become of each test of a run, and what follows from it. Pure: events in, decisions out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from pulseq.bounds import bound_id, bound_text
from pulseq.events import AttemptFinished, AttemptStarted, Event, RunNote, TestClosed, TestExpanded, TestPlanned
from pulseq.execution.runtime.body_ending import OUTPUT_FOLLOWS
from pulseq.execution.runtime.stack_dump import FRAMES_FOLLOW
from pulseq.models import (
    INFRASTRUCTURE_REASONS,
    NO_VERDICT_REASONS,
    AttemptResult,
    PytestItemBody,
    Reason,
    SimulateBody,
    Status,
    TestCase,
)
from pulseq.run.run_options import MAX_NODE_LOSSES

Key = tuple[str, str]
#: Characters of each line of an error that a verdict repeats: the driver keeps all verdicts in memory.
_LINE_CHARACTERS = 500

#: Where several tests have been there at each loss of a node, one more is waited for so often to tell them apart.
_MORE_LOSSES = 2


class Begun(Enum):
    """What is known of a test's start on a node that is gone, where the node has not told it."""

    NO = "it waited behind others"
    NEXT = "it was its turn"
    PERHAPS = "it was to come soon after"


@dataclass(frozen=True, slots=True)
class Lost:
    """What follows from the end of a node.

    Attributes:
        alone: tests that had begun, to be queued again, each by itself.
        apart: tests that may have begun: each by itself, too, and where it stood.
        again: tests that had not begun, to stand where they stood.
    """

    events: list[Event]
    alone: list[Key]
    apart: list[Key]
    again: list[Key]


class Next(Enum):
    """What follows from an attempt's result."""

    CLOSED = "closed"
    RETRY_THERE = "Prefect retries it on the node, in the same task run"
    RETRY_ALONE = "it is to be queued again, as a task run of its own"
    UNDER_WAY = "a plug-in of pytest has made another attempt in the same start, whose result comes next"
    NOTHING = "nothing; it is late, or of a test that has its verdict"


@dataclass(slots=True)
class _Entry:
    case: TestCase
    next_attempt: int = 1
    failures: int = 0
    #: Failed attempts that pytest itself followed with another: they use up no retry.
    reruns: int = 0
    losses: int = 0
    #: Unix seconds: since when it is on its node, or has begun there.
    since: float = 0.0
    node_id: str | None = None
    lost_on: frozenset[str] = frozenset()
    started: bool = False
    task_run: str | None = None
    #: Attempts that others have followed, each with its node.
    past: tuple[tuple[int, str], ...] = ()
    #: Attempts that machines have ended for want of memory: no evidence of what kills nodes, which live on.
    starved: int = 0
    closed: TestClosed | None = None


@dataclass(slots=True)
class Ledger:
    """Every accepted test from its plan to its one verdict.

    Methods return the events that are now true; the caller journals and shows them.
    """

    clock: Callable[[], float] = time.time
    _entries: dict[Key, _Entry] = field(default_factory=dict)
    _open: int = 0
    failures: int = 0

    @property
    def open(self) -> int:
        """Tests without a verdict."""
        return self._open

    def case(self, key: Key) -> TestCase:
        return self._entries[key].case

    def knows(self, key: Key) -> bool:
        return key in self._entries

    def next_attempt(self, key: Key) -> int:
        return self._entries[key].next_attempt

    def retries_left(self, key: Key) -> int:
        """Further attempts after the next one, if that fails."""
        entry = self._entries[key]
        return max(entry.case.max_retries - entry.failures, 0)

    def has_failed(self, key: Key) -> bool:
        """Whether an attempt has failed that counts against the test."""
        entry = self._entries[key]
        return entry.failures + entry.reruns > 0

    def lost_on(self, key: Key) -> frozenset[str]:
        return self._entries[key].lost_on

    def is_suspect(self, key: Key) -> bool:
        """Whether a node was lost under this test."""
        return self._entries[key].losses > 0

    def is_open(self, key: Key) -> bool:
        """Whether a test was accepted and has no verdict."""
        entry = self._entries.get(key)
        return entry is not None and entry.closed is None

    def awaits(self, result: AttemptResult) -> bool:
        """Whether a result is that of the attempt under way, and not a late one of an earlier."""
        entry = self._entries.get(result.key)
        if entry is None or entry.closed is not None:
            return False
        return entry.node_id == result.node_id and result.attempt >= entry.next_attempt

    def is_last(self, result: AttemptResult) -> bool:
        """Whether no attempt is made after that of this result."""
        return self.awaits(result) and (
            result.status in (Status.PASSED, Status.SKIPPED) or self.retries_left(result.key) == 0
        )

    def plan(self, case: TestCase) -> list[Event]:
        """Accept a test; one with the key of another is that one."""
        if case.key in self._entries:
            return []
        self._entries[case.key] = _Entry(case)
        self._open += 1
        return [planned_event(case)]

    def expand(self, key: Key, count: int) -> list[Event]:
        """An entry has become tests of its own, which are planned by themselves."""
        del self._entries[key]
        self._open -= 1
        return [TestExpanded(key[0], key[1], count)]

    def sent(self, key: Key, node_id: str) -> None:
        """A test was given to a node."""
        entry = self._entries[key]
        entry.node_id, entry.started, entry.since = node_id, False, self.clock()

    def give_back(self, key: Key) -> bool:
        """A node will not run a test that it was given; whether it is to be queued again."""
        entry = self._entries[key]
        if entry.closed is not None or entry.started:
            return False
        entry.node_id = None
        return True

    def start(self, key: Key, attempt: int, node_id: str, task_run: str | None) -> list[Event]:
        """A node says that an attempt begins."""
        entry = self._entries.get(key)
        if entry is None or entry.closed or entry.node_id != node_id or attempt < entry.next_attempt + entry.started:
            return []
        entry.next_attempt, entry.started, entry.task_run = attempt, True, task_run
        entry.since = self.clock()
        return [AttemptStarted(key[0], key[1], attempt, node_id, task_run)]

    def finish(self, result: AttemptResult, *, in_place: bool) -> tuple[list[Event], Next]:
        """An attempt has a result; `in_place` says that Prefect does its retries on the node."""
        entry = self._entries.get(result.key)
        if entry is None:
            return [], Next.NOTHING
        if entry.closed is not None:
            return self._amend(entry, result), Next.NOTHING
        if not self.awaits(result):
            return [_keep(entry, result)], Next.NOTHING
        if result.rerun:
            return _go_on(entry, result), Next.UNDER_WAY
        entry.next_attempt, entry.started = result.attempt + 1, False
        events: list[Event] = [AttemptFinished(result)]
        if result.reason is Reason.NODE_LOST:  # its node lives, but not what the machine had of the test
            entry.starved += 1
            entry.lost_on |= {result.node_id}
            if entry.starved < MAX_NODE_LOSSES:
                entry.past += ((result.attempt, result.node_id),)
                return events, Next.RETRY_ALONE
            return [*events, self._close(entry, result)], Next.CLOSED
        if result.status in (Status.FAILED, Status.ERROR) and result.reason is not Reason.CANCELLED:
            entry.failures += 1
            if entry.failures <= entry.case.max_retries:
                entry.past += ((result.attempt, result.node_id),)
                return events, Next.RETRY_THERE if in_place else Next.RETRY_ALONE
        return [*events, self._close(entry, result)], Next.CLOSED

    def note(self, result: AttemptResult) -> list[Event]:
        """An attempt of a test that something else runs and will `settle`: whether another follows is not known."""
        entry = self._entries[result.key]
        entry.failures += result.status in (Status.FAILED, Status.ERROR)
        entry.past += ((result.attempt, result.node_id),)
        entry.next_attempt = result.attempt + 1
        return [AttemptFinished(result)]

    def settle(self, result: AttemptResult) -> list[Event]:
        """Give a test the verdict of this attempt, which was noted as its last one."""
        entry = self._entries[result.key]
        return [] if entry.closed is not None else [self._close(entry, result)]

    def lose(self, tests: Mapping[Key, Begun], why: str) -> Lost:
        """The node that had these tests is gone.

        What may have begun is tried again, under the next number and alone. One that is there whenever a node is
        lost, as no other is, gets no third node.

        Args:
            tests: those without a result, and what is known of each but for what the node has told.
        """
        lost = Lost([], [], [], [])
        told: list[_Entry] = []
        for key, begun in tests.items():
            entry = self._entries[key]
            if entry.closed is not None:
                continue
            if not entry.started and begun is Begun.NO:
                entry.node_id = None
                lost.again.append(key)
                continue
            if entry.started:
                told.append(entry)
            (lost.alone if entry.started or begun is Begun.NEXT else lost.apart).append(key)
            lost.events.extend(self._lose_attempt(entry, why))
        for entry in _culprits(told, company=len(lost.alone) > 1):
            lost.alone.remove(entry.case.key)
            lost.events.append(self._close_culprit(entry, why))
        return lost

    def _lose_attempt(self, entry: _Entry, why: str) -> list[Event]:
        """What may have begun counts as begun: its number is never given to another start."""
        key, attempt, node_id, was_told = entry.case.key, entry.next_attempt, entry.node_id or "", entry.started
        # A suspect's start is told before it begins.
        if was_told or entry.losses == 0:
            entry.losses += 1
            entry.lost_on |= {node_id}
        entry.past += ((attempt, node_id),)
        entry.next_attempt, entry.started, entry.node_id = attempt + 1, False, None
        now = self.clock()
        since = entry.since if was_told else now
        result = AttemptResult(
            key[0],
            attempt,
            node_id,
            Status.ERROR,
            key[1],
            Reason.NODE_LOST,
            started_at=since,
            duration=max(now - since, 0.0),
            error=f"node {node_id} was lost: {why}" + ("" if was_told else "; whether this had begun is not known"),
        )
        start: list[Event] = [] if was_told else [AttemptStarted(*key, attempt, node_id, None)]
        return [*start, AttemptFinished(result)]

    def _close_culprit(self, entry: _Entry, why: str) -> TestClosed:
        attempt, node_id = entry.past[-1]
        text = f"{entry.losses} nodes were lost while this test ran on them; it is probably what kills them ({why})"
        return self._close_with(entry, Status.ERROR, Reason.NODE_LOST, attempt, node_id, text)

    def close(self, key: Key, reason: Reason, error: str, node_id: str | None = None) -> list[Event]:
        """End a test that gets no (further) attempt: unsatisfiable, cancelled, internal, setup."""
        entry = self._entries[key]
        if entry.closed is not None:
            return []
        attempts = entry.next_attempt if entry.started else entry.next_attempt - 1
        return [self._close_with(entry, Status.ERROR, reason, attempts, node_id, error)]

    def open_keys(self) -> list[Key]:
        """The tests without a verdict, in the order of their planning."""
        return [key for key, entry in self._entries.items() if entry.closed is None]

    def verdicts(self) -> Iterable[TestClosed]:
        return (entry.closed for entry in self._entries.values() if entry.closed is not None)

    def _close(self, entry: _Entry, result: AttemptResult) -> TestClosed:
        error = _last_lines(result.short or result.error)
        return self._close_with(entry, result.status, result.reason, result.attempt, result.node_id, error)

    def _close_with(
        self,
        entry: _Entry,
        status: Status,
        reason: Reason | None,
        attempts: int,
        node_id: str | None,
        error: str | None,
    ) -> TestClosed:
        flaky = status is Status.PASSED and entry.failures + entry.reruns > 0
        closed = TestClosed(*entry.case.key, status, reason, flaky, attempts, node_id, error)
        if entry.closed is None:
            self._open -= 1
        if is_own_failure(closed):
            self.failures += 1
        entry.closed = closed
        return closed

    def _amend(self, entry: _Entry, result: AttemptResult) -> list[Event]:
        # Only what turns a verdict for the worse counts: a wider fixture's teardown that failed afterwards.
        closed = entry.closed
        late_teardown = (
            closed is not None
            and closed.attempts == result.attempt
            and closed.node_id == result.node_id
            and closed.status in (Status.PASSED, Status.SKIPPED)
            and result.status is Status.ERROR
            and result.reason not in INFRASTRUCTURE_REASONS
        )
        return [AttemptFinished(result), self._close(entry, result)] if late_teardown else [_keep(entry, result)]


def _culprits(told: list[_Entry], *, company: bool) -> list[_Entry]:
    """Of the tests that ran on a node when it was lost, those that are taken for the reason.

    One that was in `company` may have been there by chance; once more often than any other it is no chance.
    """
    most = max((entry.losses for entry in told), default=0)
    first = [entry for entry in told if entry.losses == most]
    needed = MAX_NODE_LOSSES + (_MORE_LOSSES if len(first) > 1 else 1 if company else 0)
    return first if most >= needed else []


def _go_on(entry: _Entry, result: AttemptResult) -> list[Event]:
    """The events of an attempt within a start that goes on with the next one."""
    entry.reruns += result.status in (Status.FAILED, Status.ERROR)
    entry.past += ((result.attempt, result.node_id),)
    entry.next_attempt, entry.started = result.attempt + 1, True
    following = AttemptStarted(*result.key, entry.next_attempt, result.node_id, entry.task_run)
    return [AttemptFinished(result), following]


def _keep(entry: _Entry, result: AttemptResult) -> Event:
    """The event of a result that does not count: it must not pass for that of another attempt."""
    ended_meanwhile = entry.started and (entry.next_attempt, entry.node_id) == (result.attempt, result.node_id)
    if ended_meanwhile or (result.attempt, result.node_id) in entry.past:
        return AttemptFinished(result)
    return RunNote(f"a late result of {result.test_id!r} from {result.node_id} does not count: {result.status}")


def is_own_failure(closed: TestClosed) -> bool:
    """Whether a verdict is bad and the test's own: exit code 1 and --maxfail count these."""
    if closed.status not in (Status.FAILED, Status.ERROR):
        return False
    return closed.reason is not Reason.CANCELLED and closed.reason not in NO_VERDICT_REASONS


def planned_event(case: TestCase) -> TestPlanned:
    """The event that a test was accepted."""
    expected = case.body.duration if isinstance(case.body, SimulateBody) else case.duration
    item = case.body.nodeid.rsplit("::", 1)[-1] if isinstance(case.body, PytestItemBody) else case.id
    name = case.name or bound_id(item)
    return TestPlanned(
        case.id,
        case.variant,
        name,
        case.body.kind,
        case.priority.word,
        case.location,
        expected,
        case.requirements,
        case.whole_id,
    )


def _last_lines(error: str | None, lines: int = 3) -> str | None:
    if not error:
        return None
    told = error.strip().splitlines()
    # Frames go on from the innermost, which is the one to be seen.
    kept = told[: lines + 1] if told[0].endswith(FRAMES_FOLLOW) else told[-lines:]
    if told[0].endswith(OUTPUT_FOLLOWS):  # how the program ended says more than what it wrote
        kept = [told[0], *told[1:][1 - lines :]]
    return "\n".join(bound_text(line, _LINE_CHARACTERS) for line in kept)
