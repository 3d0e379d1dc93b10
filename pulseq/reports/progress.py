"""What a view knows of a run at a moment: a fold of its events that only counts.

Pure: the clock is passed in (`now`, seconds of any monotonic clock).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    EntryCollected,
    Event,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunStarted,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, CapabilityValue, Key
from pulseq.reports.awaited import Awaited
from pulseq.reports.estimate import MOST_DEALT, WorkLeft, deal_longest_first
from pulseq.reports.tally import Tally

#: For this many seconds' worth the pace is taken to be that of full slots; what is measured outweighs it after that.
_TRUST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RunningTest:
    """A test that runs on a node since `since` (same clock as `now`)."""

    test_id: str
    variant: str
    attempt: int
    since: float


@dataclass(slots=True)
class NodeProgress:
    """A node as a view shows it; `running` is ordered by start."""

    node_id: str
    slots: int
    capabilities: Mapping[str, CapabilityValue]
    lost: str | None = None
    finished: int = 0
    running: dict[Key, RunningTest] = field(default_factory=dict)

    @property
    def used(self) -> int:
        return min(len(self.running), self.slots)


@dataclass(slots=True)
class RunProgress:
    """Counts of a run by verdict, its nodes and what runs there, and how long it may still take."""

    run_id: str = ""
    suite: str = ""
    since: float | None = None
    first_attempt: float | None = None
    finished: RunFinished | None = None
    tally: Tally = field(default_factory=Tally)
    nodes: dict[str, NodeProgress] = field(default_factory=dict)
    _awaited: Awaited = field(default_factory=Awaited)
    _left: WorkLeft = field(default_factory=WorkLeft)
    _open: dict[Key, float | None] = field(default_factory=dict)
    _closed: dict[Key, TestClosed] = field(default_factory=dict)
    _where: dict[Key, str] = field(default_factory=dict)
    _has_run: bool = False
    _known_done: float = 0.0
    _unknown_done: int = 0

    @property
    def total(self) -> int:
        return len(self._open) + len(self._closed)

    @property
    def done(self) -> int:
        return len(self._closed)

    @property
    def running(self) -> int:
        return len(self._where)

    @property
    def waiting(self) -> int:
        return max(len(self._open) - len(self._where), 0)

    @property
    def slots(self) -> int:
        """Slots of the nodes that are there."""
        return sum(node.slots for node in self.nodes.values() if node.lost is None)

    @property
    def waits_for(self) -> str:
        """What the first test waits for, in words; empty once one has begun, or where there is none."""
        if self.since is None or self.finished or self._has_run or (self._closed and not self._open):
            return ""
        here = sum(node.lost is None for node in self.nodes.values())
        return self._awaited.say(nodes_here=here, tests_waiting=bool(self._open))

    def elapsed(self, now: float) -> float:
        if self.finished:
            return self.finished.wall_seconds
        return now - self.since if self.since is not None else 0.0

    def apply(self, event: Event, now: float) -> None:
        """Take one event in, seen at `now`."""
        match event:
            case RunStarted():
                self.run_id, self.suite = event.run_id, event.suite
                self.since = now
                self._awaited.begin(event)
            case PrefectRunKnown():
                self._awaited.flow_run = False
            case NodeJoined():
                self._join_node(event)
            case EntryCollected():
                self._awaited.collected(event.entry)
            case NodeLost():
                self._lose_node(event)
            case TestPlanned():
                self._plan_test(event)
            case TestExpanded():
                self._stop_test((event.test_id, event.variant))
                self._forget_test((event.test_id, event.variant))
            case AttemptStarted():
                self._start_test(event, now)
            case AttemptFinished():
                self._finish_attempt(event.result)
            case TestClosed():
                self._close_test(event)
            case RunFinished():
                self.finished = event

    def _join_node(self, event: NodeJoined) -> None:
        known = self.nodes.get(event.node_id)
        for key in list(known.running) if known else ():
            self._stop_test(key)
        finished = known.finished if known else 0
        self.nodes[event.node_id] = NodeProgress(event.node_id, event.slots, event.capabilities, finished=finished)
        self._left.add_node(event.node_id, event.capabilities)

    def _lose_node(self, event: NodeLost) -> None:
        if node := self.nodes.get(event.node_id):
            node.lost = event.why
            for key in list(node.running):
                self._stop_test(key)

    def _plan_test(self, event: TestPlanned) -> None:
        key = (event.test_id, event.variant)
        if key in self._open or key in self._closed:
            return
        self._awaited.planned(event)
        self._open[key] = event.expected_seconds
        self._left.add(key, event.requirements, event.expected_seconds)

    def _forget_test(self, key: Key) -> float | None:
        if key not in self._open:
            return 0.0
        expected = self._open.pop(key)
        self._awaited.collected(key[0])
        self._left.remove(key, expected)
        return expected

    def _start_test(self, event: AttemptStarted, now: float) -> None:
        key = (event.test_id, event.variant)
        self._stop_test(key)
        self._has_run = True
        if key in self._closed:
            return
        self.first_attempt = now if self.first_attempt is None else self.first_attempt
        if node := self.nodes.get(event.node_id):
            node.running[key] = RunningTest(event.test_id, event.variant, event.attempt, now)
            self._where[key] = event.node_id

    def _finish_attempt(self, result: AttemptResult) -> None:
        if result.reason not in INFRASTRUCTURE_REASONS:
            self._left.note(result.key, result.duration)
        node_id = self._where.get(result.key)
        if node_id is not None and self.nodes[node_id].running[result.key].attempt == result.attempt:
            self._stop_test(result.key)

    def _stop_test(self, key: Key) -> None:
        node_id = self._where.pop(key, None)
        if node_id is not None:
            self.nodes[node_id].running.pop(key, None)

    def _close_test(self, event: TestClosed) -> None:
        key = (event.test_id, event.variant)
        self._stop_test(key)
        if earlier := self._closed.get(key):
            self.tally.add(earlier, -1)
        else:
            expected = self._forget_test(key)
            self._known_done += expected or 0.0
            self._unknown_done += expected is None
            if node := self.nodes.get(event.node_id or ""):
                node.finished += 1
        self._has_run |= event.attempts > 0
        self._closed[key] = event
        self.tally.add(event)

    def seconds_left(self, now: float) -> float | None:
        """How long the rest may take, or None where nothing is known to tell it from.

        Work is counted in expected seconds; a test of unknown length counts as the
        mean of those that have finished. What is left is divided by the pace so far,
        which at the start is that of all slots at full use; but no class of requirements
        ends before the slots that it fits have done it, and a few last tests are dealt to
        the slots that there are.
        """
        if not self._open:
            return 0.0 if self._closed else None
        every = self._left.all
        if not self.slots or (every.unknown and not every.measured):
            return None
        mean = every.took / every.measured if every.measured else 0.0
        running, longest = self._work_begun(now)
        begun = sum(running.values())
        left = max(every.known + every.unknown * mean - begun, 0.0)
        done = self._known_done + self._unknown_done * mean + begun
        since = self.first_attempt if self.first_attempt is not None else now
        pace = (done + self.slots * _TRUST_SECONDS) / (now - since + _TRUST_SECONDS)
        slots = {node.node_id: node.slots for node in self.nodes.values() if node.lost is None}
        least = self._left.least_seconds(slots, running.items())
        dealt = self._deal_waiting(slots, running) if self.waiting <= MOST_DEALT else 0.0
        return max(left / pace, longest, least, dealt)

    def _work_begun(self, now: float) -> tuple[dict[Key, float], float]:
        """Expected seconds already spent on each running test, and what the longest of them still needs."""
        begun: dict[Key, float] = {}
        longest = 0.0
        for node in self.nodes.values():
            for key, test in node.running.items():
                expected = self._expected(key)
                begun[key] = min(now - test.since, expected)
                longest = max(longest, expected - begun[key])
        return begun, longest

    def _expected(self, key: Key) -> float:
        known = self._open.get(key)
        return self._left.mean(key) if known is None else known

    def _deal_waiting(self, slots: Mapping[str, int], running: Mapping[Key, float]) -> float:
        free_in: dict[str, list[float]] = {}
        for node_id, count in slots.items():
            busy = [self._expected(key) - running[key] for key in self.nodes[node_id].running]
            free_in[node_id] = sorted([*busy, *[0.0] * (count - len(busy))])[:count]
        waiting = [(self._expected(key), self._left.fits(key)) for key in self._open if key not in self._where]
        return deal_longest_first(free_in, waiting)
