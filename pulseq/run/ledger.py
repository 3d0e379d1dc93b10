"""What has become of each test of a run, and what follows from it. No I/O: messages in, events out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum

from msgspec.structs import replace

from pulseq.bounds import bound_id
from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    NodeLost,
    RunNote,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import (
    INFRASTRUCTURE_REASONS,
    AttemptResult,
    Key,
    PytestItemBody,
    Reason,
    SimulateBody,
    Status,
    TestCase,
)
from pulseq.records import RunRecord, SentTo, TestRecord
from pulseq.run.gist import gist_of
from pulseq.run.run_options import MAX_NODE_LOSSES

#: Where several tests have been there at each loss of a node, one more is waited for so often to tell them apart.
_MORE_LOSSES = 2


class Begun(Enum):
    """What is known of a test's start on a node that is gone, where the node has not told it."""

    NO = "it waited behind others"
    NEXT = "it was its turn"
    PERHAPS = "it was to come soon after"


@dataclass(frozen=True, slots=True)
class Lost:
    """What follows from the end of a node: which tests are to be queued again.

    Attributes:
        alone: tests that had begun, each by itself.
        apart: tests that may have begun: each by itself, too, and where it stood.
        again: tests that had not begun, to stand where they stood.
    """

    alone: list[Key] = field(default_factory=list)
    apart: list[Key] = field(default_factory=list)
    again: list[Key] = field(default_factory=list)


class Next(Enum):
    """What follows from an attempt's result."""

    CLOSED = "closed"
    RETRY_THERE = "Prefect retries it on the node, in the same task run"
    RETRY_ALONE = "it is to be queued again, as a task run of its own"
    UNDER_WAY = "a plug-in of pytest has made another attempt in the same start, whose result comes next"
    NOTHING = "nothing; it is late, or of a test that has its verdict"


@dataclass(slots=True)
class Ledger:
    """Every accepted test from its plan to its one verdict.

    Args:
        record: what the run has come to; each event that is told is to be in it at once.
        emit: takes each event as it becomes true.

    Attributes:
        on_told: called after each of them.
    """

    record: RunRecord
    emit: Callable[[Event], None]
    clock: Callable[[], float] = time.time
    on_told: Callable[[Event], None] = lambda event: None
    #: Monotonic seconds: before that no test could have started, however long the servers took.
    _flow_began: float | None = None
    #: Pytest items of which no attempt has ended, of each entry.
    _untried: dict[str, set[Key]] = field(default_factory=dict)

    def tell(self, event: Event) -> None:
        """An event is true from now on."""
        self.emit(event)
        self.on_told(event)

    @property
    def open(self) -> int:
        """Tests without a verdict."""
        return self.record.open

    def untried_items(self, entry: str) -> AbstractSet[Key]:
        """The pytest items of an entry of which no attempt has ended: what is tried again gets a runner of its own."""
        return self._untried.get(entry, frozenset())

    @property
    def failures(self) -> int:
        """Tests that have a bad verdict of their own."""
        return self.record.failures

    def test(self, key: Key) -> TestRecord:
        return self.record.tests[key]

    def case(self, key: Key) -> TestCase:
        case = self.record.tests[key].case
        assert case is not None
        return case

    def knows(self, key: Key) -> bool:
        return key in self.record.tests

    def is_open(self, key: Key) -> bool:
        """Whether a test was accepted and has no verdict."""
        test = self.record.tests.get(key)
        return test is not None and test.closed is None

    def plan(self, case: TestCase) -> bool:
        """Accept a test; False for one with the key of another: it is that one."""
        if self.knows(case.key):
            return False
        self.tell(planned_event(case))
        test = self.record.tests.get(case.key)  # a run that is left at once takes in nothing more
        if test is not None:
            test.case = case
            if isinstance(case.body, PytestItemBody):
                self._untried.setdefault(case.body.entry, set()).add(case.key)
        return test is not None

    def expand(self, key: Key, count: int) -> None:
        """An entry has become tests of its own, which are planned by themselves."""
        self.tell(TestExpanded(key[0], key[1], count))

    def begin(self) -> None:
        """The flow run exists: tests can start from now on."""
        self._flow_began = time.monotonic()

    def note_ready(self, key: Key) -> None:
        """A test could start from now on, or again."""
        if self._flow_began is not None:
            self.test(key).ready_at = time.monotonic()

    def with_queue_time(self, result: AttemptResult) -> AttemptResult:
        """A result that has just come, with the time that its test waited."""
        test = self.record.tests.get(result.key)
        if test is not None and test.closed is not None:
            known = test.attempts.get(result.attempt)
            return result if known is None else replace(result, queue_seconds=known.queue_seconds)
        ready = test.ready_at if test is not None else None
        if test is not None:
            test.ready_at = None
        if ready is None:
            ready = self._flow_began if result.attempt == 1 else None
        if ready is None:
            return result
        return replace(result, queue_seconds=max(time.monotonic() - ready - result.duration, 0.0))

    def sent(self, key: Key, node_id: str, dispatch: str = "") -> None:
        """A test was given to a node."""
        self.test(key).sent = SentTo(node_id, dispatch, sent_at=self.clock())

    def give_back(self, key: Key) -> bool:
        """A node will not run a test that it was given; whether it is to be queued again."""
        test = self.test(key)
        if test.closed is not None or test.begun is not None:
            return False
        test.sent = None
        return True

    def start(self, key: Key, attempt: int, node_id: str, task_run: str | None) -> None:
        """A node says that an attempt begins."""
        test = self.record.tests.get(key)
        if test is None or test.closed or test.sent is None or test.sent.node_id != node_id:
            return
        if attempt >= test.next_attempt + (test.begun is not None):
            test.sent.began_at = self.clock()
            self.tell(AttemptStarted(key[0], key[1], attempt, node_id, task_run))

    def finish(self, result: AttemptResult, *, in_place: bool) -> Next:
        """An attempt has a result; `in_place` says that Prefect does its retries on the node."""
        test = self.record.tests.get(result.key)
        if test is None:
            return Next.NOTHING
        if not test.awaits(result):
            self._take_late(test, result)
            return Next.NOTHING
        task_run = test.begun.task_run if test.begun is not None else None
        self.tell(AttemptFinished(result))
        self._note_tried(test)
        if result.rerun:
            self.tell(AttemptStarted(*result.key, result.attempt + 1, result.node_id, task_run))
            return Next.UNDER_WAY
        if result.reason is Reason.NODE_LOST:  # its node lives, but not what the machine had of the test
            if test.starved < MAX_NODE_LOSSES:
                return self._retry_alone(test)
        elif _is_bad(result) and result.reason is not Reason.CANCELLED and test.failures <= test.max_retries:
            return Next.RETRY_THERE if in_place else self._retry_alone(test)
        self._close_as(test, result)
        return Next.CLOSED

    def _retry_alone(self, test: TestRecord) -> Next:
        test.sent = None
        return Next.RETRY_ALONE

    def note(self, result: AttemptResult) -> None:
        """An attempt of a test that something else runs and will `settle`: whether another follows is not known."""
        self.tell(AttemptFinished(result))

    def settle(self, result: AttemptResult) -> None:
        """Give a test the verdict of this attempt, which was noted as its last one."""
        if self.is_open(result.key):
            self._close_as(self.test(result.key), result)

    def lose_node(self, node_id: str, tests: Mapping[Key, Begun], why: str, *, expected: bool = False) -> Lost:
        """A node is gone, with the tests that it had.

        What may have begun is tried again, under the next number and alone. One that is there whenever a node is
        lost, as no other is, gets no third node.

        Args:
            tests: those without a result, and what is known of each but for what the node has told.
            expected: whether it is no loss where it had nothing.
        """
        had = {key: begun for key, begun in tests.items() if self.is_open(key)}
        if had or not expected:
            self.tell(NodeLost(node_id, why))
        lost = Lost()
        told: list[TestRecord] = []
        for key, begun in had.items():
            test = self.test(key)
            if test.begun is None and begun is Begun.NO:
                lost.again.append(key)
            else:
                (lost.alone if test.begun is not None or begun is Begun.NEXT else lost.apart).append(key)
                told += [test] if test.begun is not None else []
                self._lose_attempt(test, node_id, why)
            test.sent = None
        for test in _culprits(told, company=len(lost.alone) > 1):
            lost.alone.remove(test.key)
            self._close_culprit(test, node_id, why)
        return lost

    def _lose_attempt(self, test: TestRecord, node_id: str, why: str) -> None:
        """What may have begun counts as begun: its number is never given to another start."""
        attempt, was_told = test.next_attempt, test.begun is not None
        now = self.clock()
        since = test.sent.began_at if was_told and test.sent is not None else None
        result = AttemptResult(
            test.planned.test_id,
            attempt,
            node_id,
            Status.ERROR,
            test.planned.variant,
            Reason.NODE_LOST,
            started_at=now if since is None else since,
            duration=0.0 if since is None else max(now - since, 0.0),
            error=f"node {node_id} was lost: {why}" + ("" if was_told else "; whether this had begun is not known"),
        )
        if not was_told:
            self.tell(AttemptStarted(*test.key, attempt, node_id, None))
        self.tell(AttemptFinished(result))
        self._note_tried(test)

    def _close_culprit(self, test: TestRecord, node_id: str, why: str) -> None:
        text = f"{test.losses} nodes were lost while this test ran on them; it is probably what kills them ({why})"
        self._close(test, Status.ERROR, Reason.NODE_LOST, test.last_attempt, node_id, text)

    def close(self, key: Key, reason: Reason, error: str, node_id: str | None = None) -> None:
        """End a test that gets no (further) attempt: unsatisfiable, cancelled, internal, setup."""
        test = self.test(key)
        if test.closed is None:
            self._close(test, Status.ERROR, reason, test.last_attempt, node_id, error)

    def _note_tried(self, test: TestRecord) -> None:
        if test.case is not None and isinstance(test.case.body, PytestItemBody):
            self._untried[test.case.body.entry].discard(test.key)

    def open_keys(self) -> list[Key]:
        """The tests without a verdict, in the order of their planning."""
        return [key for key, test in self.record.tests.items() if test.closed is None]

    def verdicts(self) -> Iterator[TestClosed]:
        return (test.closed for test in self.record.tests.values() if test.closed is not None)

    def _close_as(self, test: TestRecord, result: AttemptResult) -> None:
        told = result.short or result.error
        self._close(test, result.status, result.reason, result.attempt, result.node_id, gist_of(told) if told else None)

    def _close(
        self,
        test: TestRecord,
        status: Status,
        reason: Reason | None,
        attempts: int,
        node_id: str | None,
        error: str | None,
    ) -> None:
        test.sent = None
        self._note_tried(test)
        flaky = status is Status.PASSED and test.has_failed
        self.tell(TestClosed(*test.key, status, reason, flaky, attempts, node_id, error))

    def _take_late(self, test: TestRecord, result: AttemptResult) -> None:
        """A result that nobody waits for any more: it must not pass for that of another attempt."""
        if _amends(test.closed, result):
            self.tell(AttemptFinished(result))
            self._close_as(test, result)
        elif (known := _told_before(test, result)) is not None:
            if (known.error, known.warnings) != (result.error, result.warnings):
                self.tell(AttemptFinished(result))
        elif _is_of(test, result):
            self.tell(AttemptFinished(result))
        else:
            late = f"a late result of {result.test_id!r} from {result.node_id} does not count: {result.status}"
            self.tell(RunNote(late))


def _is_bad(result: AttemptResult) -> bool:
    return result.status in (Status.FAILED, Status.ERROR)


def _amends(closed: TestClosed | None, result: AttemptResult) -> bool:
    """Whether a late result turns a verdict for the worse: a wider fixture's teardown that failed afterwards."""
    return (
        closed is not None
        and (closed.attempts, closed.node_id) == (result.attempt, result.node_id)
        and closed.status in (Status.PASSED, Status.SKIPPED)
        and result.status is Status.ERROR
        and result.reason not in INFRASTRUCTURE_REASONS
    )


def _told_before(test: TestRecord, result: AttemptResult) -> AttemptResult | None:
    """The result that gave a test its verdict, where a late one is of the same attempt: more of it has become known."""
    known, closed = test.attempts.get(result.attempt), test.closed
    if known is None or closed is None or closed.attempts != result.attempt:
        return None
    return known if (known.node_id, known.status) == (result.node_id, result.status) else None


def _is_of(test: TestRecord, result: AttemptResult) -> bool:
    """Whether a late result is that of an attempt that was given up, or that another has followed."""
    this = (result.attempt, result.node_id)
    if test.begun is not None and (test.begun.attempt, test.begun.node_id) == this:
        return True
    known, closed = test.attempts.get(result.attempt), test.closed
    if known is None or known.node_id != result.node_id:
        return False
    return known.reason is Reason.NODE_LOST or closed is None or (closed.attempts, closed.node_id) != this


def _culprits(told: list[TestRecord], *, company: bool) -> list[TestRecord]:
    """Of the tests that ran on a node when it was lost, those that are taken for the reason.

    One that was in `company` may have been there by chance; once more often than any other it is no chance.
    """
    most = max((test.losses for test in told), default=0)
    first = [test for test in told if test.losses == most]
    needed = MAX_NODE_LOSSES + (_MORE_LOSSES if len(first) > 1 else 1 if company else 0)
    return first if most >= needed else []


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
