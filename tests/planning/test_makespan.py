"""Whole runs with the real queue and made-up nodes: how near they end to the least time possible."""

from __future__ import annotations

import heapq
import math
import random
import sys
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.fleet import Strategy
from pulseq.models import CapabilityValue
from pulseq.planning.packing import PackLimits
from pulseq.planning.queued import NodeOffer, QueuedTest
from pulseq.planning.ready_queue import Pick, ReadyQueue


def fits(key: Hashable, capabilities: Mapping[str, CapabilityValue]) -> bool:
    return all(letter in capabilities for letter in str(key))


def make_fleet(count: int, chance: random.Random) -> list[NodeOffer]:
    """Every second node is plain, a quarter has `a`, an eighth `b`, an eighth both."""
    kinds = ["", "a", "", "b", "", "a", "", "ab"]
    return [
        NodeOffer(f"n{number}", chance.randint(1, 4), dict.fromkeys(kinds[number % len(kinds)], True))
        for number in range(count)
    ]


def make_tests(count: int, chance: random.Random) -> list[QueuedTest]:
    """Most tests run anywhere; durations as test suites have them: many short, few long."""
    classes = chance.choices(["", "a", "b", "ab"], weights=(6, 2, 1, 1), k=count)
    return [
        QueuedTest((f"t{number}", ""), number, needs, expected_seconds=chance.lognormvariate(0, 1))
        for number, needs in enumerate(classes)
    ]


class MadeUpNodes:
    """Nodes that take exactly so long as `seconds` says, with a clock that jumps from end to end."""

    def __init__(self, fleet: list[NodeOffer], seconds: Callable[[QueuedTest], float]) -> None:
        self.clock = 0.0
        self._seconds = seconds
        self._idle = {node.id: node.slots for node in fleet}
        self._next: dict[str, deque[Pick]] = {node.id: deque() for node in fleet}
        self._ends: list[tuple[float, int, str]] = []
        self._started = 0

    def take(self, pick: Pick) -> None:
        self._next[pick.node_id].append(pick)
        self._start(pick.node_id)

    def finish_one(self) -> str | None:
        """Let the next dispatch end; its node, or None when all is quiet."""
        if not self._ends:
            return None
        self.clock, _, node_id = heapq.heappop(self._ends)
        self._idle[node_id] += 1
        self._start(node_id)
        return node_id

    def _start(self, node_id: str) -> None:
        while self._idle[node_id] and self._next[node_id]:
            seconds = sum(map(self._seconds, self._next[node_id].popleft().tests))
            self._idle[node_id] -= 1
            self._started += 1
            heapq.heappush(self._ends, (self.clock + seconds, self._started, node_id))


def as_expected(test: QueuedTest) -> float:
    return test.expected_seconds or 0.0


def run_to_the_end(
    fleet: list[NodeOffer],
    tests: list[QueuedTest],
    strategy: Strategy = Strategy.ADAPTIVE,
    *,
    limits: PackLimits | None = None,
    seconds: Callable[[QueuedTest], float] = as_expected,
) -> float:
    """The makespan, in seconds."""
    queue = ReadyQueue(fits, strategy=strategy, limits=limits)
    nodes = MadeUpNodes(fleet, seconds)
    for node in fleet:
        queue.node_joined(node)
    for test in tests:
        queue.add(test)
    while True:
        for pick in queue.picks():
            nodes.take(pick)
        node_id = nodes.finish_one()
        if node_id is None:
            break
        queue.slot_freed(node_id)
    assert queue.waiting == 0
    return nodes.clock


def lower_bound(fleet: list[NodeOffer], tests: list[QueuedTest]) -> float:
    """No run can be shorter than its longest test, or than a class's work over the slots that fit it."""
    bounds = [max(test.expected_seconds or 0.0 for test in tests)]
    for needs in {"", *(str(test.requirement_key) for test in tests)}:
        work = sum(test.expected_seconds or 0.0 for test in tests if set(needs) <= set(str(test.requirement_key)))
        slots = sum(node.slots for node in fleet if fits(needs, node.capabilities))
        bounds.append(work / slots)
    return max(bounds)


@pytest.mark.parametrize("seed", range(5))
def test_a_run_of_known_tests_ends_near_its_lower_bound(seed: int) -> None:
    chance = random.Random(seed)
    fleet, tests = make_fleet(40, chance), make_tests(5000, chance)
    assert run_to_the_end(fleet, tests) <= 1.1 * lower_bound(fleet, tests)


def test_a_long_test_that_runs_anywhere_does_not_wait_for_those_with_less_choice() -> None:
    fleet = [NodeOffer(f"n{number}", 2, {"ab"[number % 2]: True}) for number in range(10)]
    long = QueuedTest(("long", ""), 0, "", expected_seconds=50.0)
    short = [QueuedTest((f"t{number}", ""), number, "ab"[number % 2], expected_seconds=2.0) for number in range(500)]
    tests = [*short, long]
    assert run_to_the_end(fleet, tests) <= 1.1 * lower_bound(fleet, tests)


@given(
    scarce_slots=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    other_slots=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    scarce=st.integers(0, 60),
    items=st.integers(0, 300),
    files=st.integers(1, 5),
    scarce_first=st.booleans(),
)
def test_tests_with_less_choice_end_a_test_later_than_the_best_at_most_beside_files_of_a_first_run(
    scarce_slots: list[int], other_slots: list[int], scarce: int, items: int, files: int, scarce_first: bool
) -> None:
    """Of equal tests in two nested classes no schedule ends before `best`.

    The queue deals without looking ahead, so that the last slots may be a test late: 25 scarce ones on four slots
    and 40 others on ten fit into seven rounds in few ways.
    """
    fleet = [NodeOffer(f"s{number}", slots, {"a": True}) for number, slots in enumerate(scarce_slots)]
    fleet += [NodeOffer(f"o{number}", slots, {}) for number, slots in enumerate(other_slots)]
    tests = [QueuedTest((f"a{number}", ""), number, "a") for number in range(scarce)]
    of_files = [
        QueuedTest((f"i{number}", ""), number, "", pack=("entry", f"f{number % files}")) for number in range(items)
    ]
    tests = tests + of_files if scarce_first else of_files + tests

    makespan = run_to_the_end(fleet, tests, limits=PackLimits(most_tests=1), seconds=lambda _: 1.0)

    every = sum(scarce_slots) + sum(other_slots)
    best = max(math.ceil(scarce / sum(scarce_slots)), math.ceil(len(tests) / every))
    assert best <= makespan <= best + 1


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("files", [1, 10])
@pytest.mark.parametrize("slots", [1, 2, 4])
def test_a_first_run_keeps_two_of_four_nodes_for_what_fits_nowhere_else(slots: int, files: int, unknown: bool) -> None:
    fleet = [NodeOffer(f"n{number}", slots, {"a": True} if number < 2 else {}) for number in range(4)]
    lengths = {"a": 1.0, "": 0.1}
    scarce = [QueuedTest((f"a{number}", ""), number, "a") for number in range(46)]
    items = [
        QueuedTest((f"i{number}", ""), 46 + number, "", pack=("entry", f"f{number * files // 250}"), collected=True)
        for number in range(250)
    ]
    tests = [*scarce, *items]
    if not unknown:
        tests = [replace(test, expected_seconds=lengths[str(test.requirement_key)]) for test in tests]

    makespan = run_to_the_end(fleet, tests, seconds=lambda test: lengths[str(test.requirement_key)])

    assert makespan <= 1.05 * math.ceil(46 / (2 * slots))


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_comes_to_the_end(strategy: Strategy) -> None:
    chance = random.Random(7)
    fleet, tests = make_fleet(40, chance), make_tests(500, chance)
    assert run_to_the_end(fleet, tests, strategy) >= lower_bound(fleet, tests)


def count_calls(work: Callable[[], object]) -> int:
    """How many Python functions are called in the course of `work`."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def test_planning_grows_with_the_number_of_tests_and_no_faster() -> None:
    chance = random.Random(3)
    fleet, tests = make_fleet(40, chance), make_tests(4000, chance)
    half = count_calls(lambda: run_to_the_end(fleet, tests[:2000]))
    assert count_calls(lambda: run_to_the_end(fleet, tests)) <= 2.2 * half


def test_planning_a_test_costs_no_more_on_ten_times_the_nodes() -> None:
    chance = random.Random(3)
    tests = make_tests(4000, chance)

    def count_dealing(nodes: int) -> int:
        # That a node joins costs once, whatever there is to deal: it is what a few tests cost, too.
        fleet = make_fleet(nodes, random.Random(1))
        joining = count_calls(lambda: run_to_the_end(fleet, tests[:400]))
        return count_calls(lambda: run_to_the_end(fleet, tests)) - joining

    assert count_dealing(400) <= 2 * count_dealing(40)
