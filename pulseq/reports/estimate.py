"""How long the rest of a run takes at least, given which nodes have room for what of it. Pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pulseq.capabilities import match, requirement_key
from pulseq.models import CapabilityValue

#: Of more tests than this the average over slots says as much as which of them goes where.
MOST_DEALT = 50


@dataclass(slots=True)
class Rest:
    """What is left of some tests: all, or those with equal requirements.

    Attributes:
        known: expected seconds of those of known length.
        unknown: how many there are of unknown length.
        fits: the nodes that satisfy the requirements.
        took, measured: seconds of all attempts that have finished, and how many these are.
    """

    requirements: Mapping[str, CapabilityValue] = field(default_factory=dict)
    fits: set[str] = field(default_factory=set)
    known: float = 0.0
    unknown: int = 0
    took: float = 0.0
    measured: int = 0

    def count(self, expected: float | None, sign: int) -> None:
        """Count a test, or with `sign` -1 one less."""
        self.known += sign * (expected or 0.0)
        self.unknown += sign * (expected is None)

    def note(self, seconds: float) -> None:
        """An attempt of one of them took so long."""
        self.took += seconds
        self.measured += 1


class WorkLeft:
    """The tests that are to be run, all and by class: tests without requirements are of no class, and fit every node.

    Attributes:
        all: what is left of all tests.
    """

    def __init__(self) -> None:
        self.all = Rest()
        self._classes: dict[Hashable, Rest] = {}
        self._of: dict[Hashable, Rest] = {}
        self._nodes: dict[str, Mapping[str, CapabilityValue]] = {}

    def add_node(self, node_id: str, capabilities: Mapping[str, CapabilityValue]) -> None:
        """A node is there, or is there again and offers something else."""
        self._nodes[node_id] = capabilities
        for rest in self._classes.values():
            rest.fits.discard(node_id)
            if match(rest.requirements, capabilities).fits:
                rest.fits.add(node_id)

    def add(self, test: Hashable, requirements: Mapping[str, CapabilityValue], expected: float | None) -> None:
        """A test is to be run."""
        self.all.count(expected, 1)
        if not requirements:
            return
        key = requirement_key(requirements)
        if key not in self._classes:
            fits = {node_id for node_id, offered in self._nodes.items() if match(requirements, offered).fits}
            self._classes[key] = Rest(requirements, fits)
        rest = self._of[test] = self._classes[key]
        rest.count(expected, 1)

    def remove(self, test: Hashable, expected: float | None) -> None:
        """A test that was added has its verdict, or is no test any more."""
        self.all.count(expected, -1)
        if (rest := self._of.pop(test, None)) is not None:
            rest.count(expected, -1)

    def note(self, test: Hashable, seconds: float) -> None:
        """An attempt of a test took so long."""
        self.all.note(seconds)
        if (rest := self._of.get(test)) is not None:
            rest.note(seconds)

    def mean(self, test: Hashable) -> float:
        """What a test is taken for whose length is unknown."""
        return self._mean_of(self._of.get(test, self.all))

    def _mean_of(self, rest: Rest) -> float:
        """The mean of a class; that of all tests while none of it has finished."""
        told = rest if rest.measured else self.all
        return told.took / told.measured if told.measured else 0.0

    def fits(self, test: Hashable) -> set[str] | None:
        """The nodes that a test fits; None for all."""
        rest = self._of.get(test)
        return None if rest is None else rest.fits

    def least_seconds(self, slots: Mapping[str, int], begun: Iterable[tuple[Hashable, float]]) -> float:
        """The longest that any class takes on the slots of the nodes that it fits.

        Args:
            slots: of the nodes that are there.
            begun: running tests, each with the seconds that it has had already.
        """
        had: defaultdict[int, float] = defaultdict(float)
        for test, seconds in begun:
            had[id(self._of.get(test))] += seconds
        longest = 0.0
        for rest in self._classes.values():
            room = sum(slots.get(node_id, 0) for node_id in rest.fits)
            if room:
                left = rest.known + rest.unknown * self._mean_of(rest) - had[id(rest)]
                longest = max(longest, left / room)
        return longest


def deal_longest_first(
    free_in: Mapping[str, Sequence[float]], waiting: Iterable[tuple[float, set[str] | None]]
) -> float:
    """When the last of these tests ends if the longest goes first, each to the slot that fits and is free first.

    Args:
        free_in: of each node, in how many seconds each of its slots is free.
        waiting: seconds of each test, and the nodes that it fits (None for all); one that fits none is left out.
    """
    slots = {node_id: sorted(free) for node_id, free in free_in.items() if free}
    end = max((free[-1] for free in slots.values()), default=0.0)
    for seconds, fits in sorted(waiting, key=lambda one: (-one[0], len(slots) if one[1] is None else len(one[1]))):
        there = [(free[0], node_id) for node_id, free in slots.items() if fits is None or node_id in fits]
        if there:
            begin, node_id = min(there)
            heapq.heapreplace(slots[node_id], begin + seconds)  # a sorted list is a heap
            end = max(end, begin + seconds)
    return end
