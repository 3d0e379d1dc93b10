"""Tests that wait together: one test, what is left of a file of a pytest session, or a scope of it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from operator import attrgetter

from pulseq.models import Priority
from pulseq.planning.packing import DispatchFill, PackLimits, expected
from pulseq.planning.queued import QueuedTest

_BY_SEQUENCE = attrgetter("sequence")


def bundle_key(test: QueuedTest) -> Hashable:
    """What tests that wait together have in common; a scope stays whole whatever the priorities in it."""
    return (test.pack, test.priority) if test.scope is None else (test.pack, test.scope, None)


@dataclass(slots=True, eq=False)
class Bundle:
    """Tests that wait together, in the order of the suite.

    Attributes:
        place: the number of its one valid entry in the heap; 0 while a node holds it.
        holder: the node that has begun a file and goes on with it, so that fixtures are shared.
    """

    tests: list[QueuedTest] = field(default_factory=list)
    seconds: float = 0.0
    place: int = 0
    holder: str | None = None

    def add(self, test: QueuedTest, limits: PackLimits) -> None:
        """One more waits here."""
        if self.tests and self.tests[-1].sequence > test.sequence:  # it was picked and is back
            bisect.insort(self.tests, test, key=_BY_SEQUENCE)
        else:
            self.tests.append(test)
        self.seconds += expected(test, limits) or 0.0

    @property
    def head(self) -> QueuedTest:
        return self.tests[0]

    @property
    def priority(self) -> Priority:
        """That of its tests; of a scope, which goes as a whole, the highest in it."""
        return self.head.priority if self.head.scope is None else max(test.priority for test in self.tests)

    def head_seconds(self, limits: PackLimits) -> float | None:
        """How long the dispatch takes that would be cut from it; None for a test of unknown length."""
        if self.head.pack is None:
            return self.head.expected_seconds
        return self.seconds if self.head.scope is not None else min(self.seconds, limits.pack_seconds)

    def least_seconds(self, limits: PackLimits) -> float | None:
        """How long the shortest dispatch takes that could be cut from it; None for a test of unknown length.

        What can be spread over slots outlasts nothing, however long all of it is.
        """
        whole = self.head.scope is not None or math.isinf(limits.pack_seconds)
        return self.seconds if self.head.pack is not None and whole else expected(self.head, limits)

    def fits(self, fill: DispatchFill) -> bool:
        """Whether a dispatch takes its first test; of a scope all of them, or it is the first in there."""
        if self.head.scope is None or fill.count == 0:
            return fill.takes(self.head)
        trial = replace(fill)
        for test in self.tests:
            if not trial.takes(test):
                return False
            trial.add(test)
        return True

    def cut(self, fill: DispatchFill, before: int | None = None) -> list[QueuedTest]:
        """Take out of the front what goes into a dispatch, up to a place in the order of the suite; a scope whole."""
        if self.head.scope is not None:
            for test in self.tests:
                fill.add(test)
            return self._take_out(len(self.tests), fill.limits)
        most = len(self.tests) if before is None else bisect.bisect_left(self.tests, before, key=_BY_SEQUENCE)
        count = 0
        while count < most and fill.takes(self.tests[count]):
            fill.add(self.tests[count])
            count += 1
        if 0 < count < most:
            count = fill.stretched(self.tests[:most], count)
        return self._take_out(count, fill.limits)

    def _take_out(self, count: int, limits: PackLimits) -> list[QueuedTest]:
        taken = self.tests[:count]
        del self.tests[:count]
        self.seconds -= sum(expected(test, limits) or 0.0 for test in taken)
        return taken
