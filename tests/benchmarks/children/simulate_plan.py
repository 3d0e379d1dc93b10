"""Lets the real queue deal a large suite to made-up nodes whose clock jumps from end to end; prints its times."""

from __future__ import annotations

import heapq
import itertools
import json
import random
import sys
import time
from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from pulseq.capabilities import match, requirement_key
from pulseq.models import CapabilityValue
from pulseq.planning.queued import NodeOffer, QueuedTest
from pulseq.planning.ready_queue import Pick, ReadyQueue

Requirements = Mapping[str, CapabilityValue]
BROWSERS = ("chrome", "firefox", "safari", "edge", "opera")
MEMORY_GB = (4, 8, 16, 32)
#: How common each is, on nodes and in tests: the last browser is scarce, and so is much memory.
_BROWSER_WEIGHTS = (16, 8, 4, 2, 1)
_NODE_MEMORY_WEIGHTS = (2, 4, 2, 1)
_TEST_MEMORY_WEIGHTS = (8, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """Nodes, tests, and what the classes of the tests require."""

    nodes: list[NodeOffer]
    tests: list[QueuedTest]
    requirements: dict[Hashable, Requirements]

    def fits(self, key: Hashable, capabilities: Mapping[str, CapabilityValue]) -> bool:
        return match(self.requirements[key], capabilities).fits


def make_problem(test_count: int, node_count: int) -> Problem:
    """Every one of the 20 classes of nodes is there; half of the tests run in any browser."""
    chance = random.Random(1)
    kinds = list(itertools.product(BROWSERS, MEMORY_GB))
    weights = [b * m for b, m in itertools.product(_BROWSER_WEIGHTS, _NODE_MEMORY_WEIGHTS)]
    dealt = [*kinds, *chance.choices(kinds, weights, k=node_count - len(kinds))]
    nodes = [
        NodeOffer(f"node{number}", chance.randint(1, 4), {"os": "linux", "browser": browser, "memory": f"{memory}GB"})
        for number, (browser, memory) in enumerate(dealt)
    ]
    requirements: dict[Hashable, Requirements] = {}
    tests = []
    for number in range(test_count):
        wanted: dict[str, CapabilityValue] = {"memory": f">={chance.choices(MEMORY_GB, _TEST_MEMORY_WEIGHTS)[0]}GB"}
        if chance.random() < 0.5:
            wanted["browser"] = chance.choices(BROWSERS, _BROWSER_WEIGHTS)[0]
        key = requirement_key(wanted)
        requirements.setdefault(key, wanted)
        seconds = chance.lognormvariate(1, 1)
        tests.append(QueuedTest((f"test{number}", ""), number, key, expected_seconds=seconds))
    return Problem(nodes, tests, requirements)


def lower_bound(problem: Problem) -> float:
    """No run is shorter than its longest test, nor than the work that has to go to some nodes over their slots.

    The sets of nodes that are looked at are those that a class of tests fits, so that scarce ones count.
    """
    fitting = {
        key: frozenset(node.id for node in problem.nodes if problem.fits(key, node.capabilities))
        for key in problem.requirements
    }
    slots = {node.id: node.slots for node in problem.nodes}
    work = dict.fromkeys(fitting, 0.0)
    for test in problem.tests:
        work[test.requirement_key] += test.expected_seconds or 0.0
    shares = (
        sum(work[key] for key, other in fitting.items() if other <= members) / sum(slots[node] for node in members)
        for members in set(fitting.values())
    )
    return max(max(shares), max(test.expected_seconds or 0.0 for test in problem.tests))


class Clockwork:
    """Nodes that take exactly as long as expected."""

    def __init__(self, nodes: Iterable[NodeOffer]) -> None:
        self.clock = 0.0
        self._idle = {node.id: node.slots for node in nodes}
        self._waiting: dict[str, deque[Pick]] = {node.id: deque() for node in nodes}
        self._ends: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()

    def take(self, pick: Pick) -> None:
        """A node gets a dispatch."""
        self._waiting[pick.node_id].append(pick)
        self._start(pick.node_id)

    def finish_one(self) -> str | None:
        """The node whose dispatch ends next; None when all have ended."""
        if not self._ends:
            return None
        self.clock, _, node_id = heapq.heappop(self._ends)
        self._idle[node_id] += 1
        self._start(node_id)
        return node_id

    def _start(self, node_id: str) -> None:
        while self._idle[node_id] and self._waiting[node_id]:
            seconds = sum(test.expected_seconds or 0.0 for test in self._waiting[node_id].popleft().tests)
            self._idle[node_id] -= 1
            heapq.heappush(self._ends, (self.clock + seconds, next(self._numbers), node_id))


def run_to_the_end(problem: Problem) -> float:
    """The makespan."""
    queue = ReadyQueue(problem.fits)
    nodes = Clockwork(problem.nodes)
    for node in problem.nodes:
        queue.node_joined(node)
    for test in problem.tests:
        queue.add(test)
    while True:
        for pick in queue.picks():
            nodes.take(pick)
        node_id = nodes.finish_one()
        if node_id is None:
            break
        queue.slot_freed(node_id)
    if queue.waiting:
        raise RuntimeError(f"{queue.waiting} tests were never dealt")
    return nodes.clock


def main() -> None:
    sizes = json.loads(sys.argv[1])
    problem = make_problem(sizes["tests"], sizes["nodes"])
    began = time.perf_counter()
    makespan = run_to_the_end(problem)
    seconds = time.perf_counter() - began
    told = {
        "makespan": makespan,
        "lower_bound": lower_bound(problem),
        "seconds_per_10000": seconds / sizes["tests"] * 10_000,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
