"""Tests that were scheduled through the API, and the node that each is assigned to. Any thread may use it."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pulseq.capabilities import match, requirement_key
from pulseq.events import AttemptStarted, Event, TestClosed
from pulseq.fleet import Strategy
from pulseq.models import CapabilityValue, SimulateBody, TestCase
from pulseq.planning.assignment import Assignment
from pulseq.planning.queued import NodeOffer, QueuedTest


@dataclass(slots=True)
class _Scheduled:
    given: Mapping[str, Any]
    case: TestCase
    sequence: int
    node_id: str | None = None
    in_run: bool = False


class ScheduledTests:
    """Every test from being scheduled to its verdict.

    Before a run they are assigned by the strategy, each time somebody looks; during a run they are
    where they really are.
    """

    def __init__(self) -> None:
        self._tests: dict[str, _Scheduled] = {}
        self._by_node: dict[str, dict[str, _Scheduled]] = {}
        self._unplaced: list[_Scheduled] = []
        self._rules: tuple[tuple[NodeOffer, ...], Strategy] | None = None
        self._requirements: dict[Hashable, Mapping[str, CapabilityValue]] = {}
        self._assignment: Assignment | None = None
        self._sequence = 0
        self._lock = threading.Lock()

    def add(self, given: Mapping[str, Any], case: TestCase) -> None:
        """A test waits for the next run.

        Raises:
            ValueError: one with this id waits already, or runs.
        """
        with self._lock:
            if case.id in self._tests:
                raise ValueError(f"test: id: found {case.id!r} again, expected one that no test waiting or running has")
            self._sequence += 1
            self._tests[case.id] = scheduled = _Scheduled(given, case, self._sequence)
            self._unplaced.append(scheduled)

    def assign(self, offers: Iterable[NodeOffer], strategy: Strategy) -> None:
        """Assign what waits to these nodes; where they are other ones than before, all of it anew."""
        with self._lock:
            rules = (tuple(offers), strategy)
            if rules != self._rules or self._assignment is None:
                self._rules = rules
                self._assignment = Assignment(self._fits, strategy, rules[0])
                self._unplaced = [test for test in self._tests.values() if not test.in_run]
                for test in self._unplaced:
                    self._move(test, None)
            waiting, self._unplaced = self._unplaced, []
            for (test_id, _), node_id in self._assignment.add(map(self._queued, waiting)):
                self._move(self._tests[test_id], node_id)

    def on_node(self, node_id: str) -> list[Mapping[str, Any]]:
        """The tests that a node is to run or runs, as they were given."""
        with self._lock:
            return [test.given for test in self._by_node.get(node_id, {}).values()]

    def count(self, node_id: str) -> int:
        """How many tests a node is to run or runs."""
        with self._lock:
            return len(self._by_node.get(node_id, ()))

    def is_on(self, test_id: str, node_id: str) -> bool:
        """Whether a test is assigned to this node."""
        with self._lock:
            return test_id in self._by_node.get(node_id, ())

    @property
    def waiting(self) -> int:
        """How many tests wait for a run."""
        with self._lock:
            return sum(not test.in_run for test in self._tests.values())

    def begin_run(self) -> list[TestCase]:
        """The tests that wait; from here on they are those of a run."""
        with self._lock:
            cases = [test.case for test in self._tests.values() if not test.in_run]
            for case in cases:
                self._tests[case.id].in_run = True
            self._unplaced, self._assignment = [], None
            return cases

    def note(self, event: Event) -> None:
        """Take notice of what happens in a run: where a test really is, and that it has its verdict."""
        if not isinstance(event, (AttemptStarted, TestClosed)):
            return
        with self._lock:
            test = self._tests.get(event.test_id)
            if test is None or not test.in_run:
                return
            if isinstance(event, AttemptStarted):
                self._move(test, event.node_id)
            else:
                self._drop(test)

    def end_run(self, cases: Iterable[TestCase], *, again: bool) -> None:
        """A run of these tests is over; `again` lets those without a verdict wait for another."""
        with self._lock:
            for case in cases:
                test = self._tests.get(case.id)
                if test is not None and again:
                    test.in_run = False
                elif test is not None:
                    self._drop(test)
            self._assignment = None

    def _queued(self, test: _Scheduled) -> QueuedTest:
        case = test.case
        key = requirement_key(case.requirements)
        self._requirements.setdefault(key, case.requirements)
        seconds = case.body.duration if isinstance(case.body, SimulateBody) else case.duration
        return QueuedTest(case.key, test.sequence, key, case.priority, seconds)

    def _fits(self, key: Hashable, capabilities: Mapping[str, CapabilityValue]) -> bool:
        return match(self._requirements[key], capabilities).fits

    def _move(self, test: _Scheduled, node_id: str | None) -> None:
        if test.node_id is not None:
            self._by_node[test.node_id].pop(test.case.id, None)
        test.node_id = node_id
        if node_id is not None:
            self._by_node.setdefault(node_id, {})[test.case.id] = test

    def _drop(self, test: _Scheduled) -> None:
        self._move(test, None)
        del self._tests[test.case.id]
