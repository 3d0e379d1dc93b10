"""What has become of each test of a run, and what follows from it. Pure: events in, decisions out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from pulseq.bounds import bound_id, bound_text
from pulseq.distributed.run_options import MAX_NODE_LOSSES
from pulseq.events import AttemptFinished, AttemptStarted, Event, RunNote, TestClosed, TestExpanded, TestPlanned
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

Key = tuple[str, str]
#: Characters of each line of an error that a verdict repeats: the driver keeps all verdicts in memory.
_LINE_CHARACTERS = 500


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
    node_id: str | None = None
    lost_on: frozenset[str] = frozenset()
    started: bool = False
    task_run: str | None = None
    #: Attempts that others have followed, each with its node.
    past: tuple[tuple[int, str], ...] = ()
    closed: TestClosed | None = None


@dataclass(slots=True)
class Ledger:
    """Every accepted test from its plan to its one verdict.

    Methods return the events that are now true; the caller journals and shows them.
    """

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
        entry.node_id, entry.started = node_id, False

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
        if result.status in (Status.FAILED, Status.ERROR) and result.reason is not Reason.CANCELLED:
            entry.failures += 1
            if entry.failures <= entry.case.max_retries:
                entry.past += ((result.attempt, result.node_id),)
                return events, Next.RETRY_THERE if in_place else Next.RETRY_ALONE
        return [*events, self._close(entry, result)], Next.CLOSED

    def lose(self, key: Key, why: str) -> tuple[list[Event], bool]:
        """The node that had a test is gone; returns the events and whether the test is to be queued again."""
        entry = self._entries[key]
        if entry.closed is not None:
            return [], False
        node_id, attempt = entry.node_id or "", entry.next_attempt
        entry.node_id = None
        if not entry.started:
            return [], True
        entry.losses += 1
        entry.lost_on |= {node_id}
        entry.past += ((attempt, node_id),)
        entry.next_attempt, entry.started = attempt + 1, False
        result = AttemptResult(
            *key[:1], attempt, node_id, Status.ERROR, key[1], Reason.NODE_LOST, error=f"node {node_id} was lost: {why}"
        )
        events: list[Event] = [AttemptFinished(result)]
        if entry.losses < MAX_NODE_LOSSES:
            return events, True
        text = f"{entry.losses} nodes were lost while this test ran on them; it is probably what kills them ({why})"
        return [*events, self._close_with(entry, Status.ERROR, Reason.NODE_LOST, attempt, node_id, text)], False

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
        return self._close_with(
            entry, result.status, result.reason, result.attempt, result.node_id, _last_lines(result.error)
        )

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
    return "\n".join(bound_text(line, _LINE_CHARACTERS) for line in kept)
