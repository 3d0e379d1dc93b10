"""How much travels to a node at once.

A dispatch costs some milliseconds on the way, a test perhaps microseconds; but the tests of a
dispatch wait for each other and die together with their node, so it is kept short in time, and
shorter towards the end of a run, where a full one would leave other slots idle (guided
self-scheduling: C. D. Polychronopoulos and D. J. Kuck, IEEE Trans. Computers C-36(12), 1987).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from pulseq.planning.queued import QueuedTest
from pulseq.planning.sharing import is_border, nearest_border

#: So many measured items of a file say what the others of it take.
_TELLING_OF_A_FILE = 10
#: So many of all files say what one of an unseen file may take; until then the limits' guess counts as so many.
_TELLING_AT_ALL = 20


class Pace:
    """What a run itself has measured of packed items that history does not know: the more, the larger its dispatches.

    Means of each file and of all.

    Args:
        guess_seconds: what an item is taken for before anything was measured.
        least_seconds: what any item is taken for at least.
    """

    def __init__(self, guess_seconds: float, least_seconds: float) -> None:
        self._guess_seconds = guess_seconds
        self._least_seconds = least_seconds
        self._files: dict[Hashable, tuple[int, float]] = {}
        self._count = 0
        self._seconds = 0.0

    def note(self, pack: Hashable, seconds: float) -> None:
        """An item of this file took so long."""
        count, total = self._files.get(pack, (0, 0.0))
        self._files[pack] = (count + 1, total + seconds)
        self._count += 1
        self._seconds += seconds

    @property
    def known(self) -> bool:
        """Whether enough was measured to reckon with."""
        return self._count >= _TELLING_AT_ALL

    @property
    def typical_seconds(self) -> float:
        """What an item takes of which nothing is known."""
        guessed = self._guess_seconds * _TELLING_AT_ALL
        return max((guessed + self._seconds) / (_TELLING_AT_ALL + self._count), self._least_seconds)

    def seconds_of(self, pack: Hashable) -> float | None:
        """What an item of this file takes; None while too few of it were measured."""
        count, total = self._files.get(pack, (0, 0.0))
        return max(total / count, self._least_seconds) if count >= _TELLING_OF_A_FILE else None


@dataclass(frozen=True, slots=True)
class PackLimits:
    """Bounds of one dispatch.

    Attributes:
        pack_seconds: expected length of a dispatch of packed pytest items, at most.
        single_seconds: expected length of a dispatch of tests that are task runs of their own, at most.
        most_tests: tests in one dispatch, at most.
        few_unknown: so many packed ones of which history knows nothing go at once whatever the run's own pace says,
            which one slow test in a file makes slow for all; within a slot's share of all waiting work.
        most_unknown: of these, packed ones of which nothing is known, at most.
        most_guessed: the same once the run has measured what its items usually take. One that is slower than all
            others makes the dispatch no trap: what has not begun is had back.
        unknown_seconds: what a packed item of unknown length is taken for.
        least_seconds: what any test is taken for at least; its start alone costs about that.
        most_bundles: different files (or single tests) in one dispatch, at most.
        share: a dispatch takes at most this part of a slot's share of all waiting work.
        worth_seconds: but a dispatch of packed items may always be this long, should there be enough for all idle
            slots: what is too much for one of them is had back when others have nothing to do.
        stretch: by this part of its budget a dispatch may be longer, so that what shares fixtures stays together.
    """

    pack_seconds: float = 4.0
    single_seconds: float = 0.2
    most_tests: int = 1500
    few_unknown: int = 5
    most_unknown: int = 20
    most_guessed: int = 100
    unknown_seconds: float = 0.05
    least_seconds: float = 0.001
    most_bundles: int = 50
    share: float = 1 / 3
    worth_seconds: float = 0.5
    stretch: float = 0.5


#: `--granularity file`: a dispatch is a whole file.
WHOLE_FILES = PackLimits(
    pack_seconds=math.inf,
    most_tests=sys.maxsize,
    most_unknown=sys.maxsize,
    most_guessed=sys.maxsize,
    most_bundles=1,
    share=math.inf,
)


def expected(test: QueuedTest, limits: PackLimits) -> float | None:
    """Seconds that a test is reckoned with; None for a single test of unknown length."""
    if test.expected_seconds is not None:
        return max(test.expected_seconds, limits.least_seconds)
    return limits.unknown_seconds if test.pack is not None else None


@dataclass(slots=True)
class DispatchFill:
    """A dispatch to a node being filled, at most to its budget of seconds; the first test always fits.

    `idle_share_seconds` is what each idle slot would get of what waits. `slowness` is the node's: its budget is
    spent the faster, the slower it is. `pace` knows what the run itself
    has measured of items that history does not know.
    """

    limits: PackLimits
    slot_share_seconds: float
    node_id: str = ""
    slowness: float = 1.0
    idle_share_seconds: float = 0.0
    pace: Pace | None = None
    seconds: float = 0.0
    unknown: int = 0
    #: Packed ones that history does not know, also where the run's own pace says something of them.
    guessed: int = 0
    count: int = 0
    #: The shortest that any of its tests allows.
    budget_seconds: float = math.inf

    def takes(self, test: QueuedTest) -> bool:
        """Whether this test still goes into the dispatch."""
        if self.count == 0:
            return True
        length, known = self._length(test)
        if length is None or self.count >= self.limits.most_tests or self.node_id in test.avoid:
            return False
        if not known and self.unknown >= self._most_unknown():
            return False
        seconds = self.seconds + length * self.slowness
        if test.expected_seconds is None and self.guessed == self.count < self.limits.few_unknown:
            return seconds <= max(self._budget_with(test), self.slot_share_seconds)
        return seconds <= self._budget_with(test)

    def stretched(self, tests: Sequence[QueuedTest], count: int) -> int:
        """How many of these waiting tests it takes instead of the first `count`, to keep together what belongs so."""
        groups = [test.group for test in tests[: 2 * count + 1]]
        if is_border(groups, count):
            return count
        most, left = count, self.limits.stretch * self._budget_with(tests[count])
        for test in tests[count : 2 * count]:
            length, _ = self._length(test)
            left -= (length or 0.0) * self.slowness
            too_many = self.count + most - count >= self.limits.most_tests
            if left < 0.0 or too_many or self.node_id in test.avoid:
                break
            most += 1
        return nearest_border(groups, count, max(count // 2, 1), most)

    def add(self, test: QueuedTest) -> None:
        """Put a test into the dispatch; one of unknown length fills it."""
        length, known = self._length(test)
        self.seconds += math.inf if length is None else length * self.slowness
        self.unknown += not known
        self.guessed += test.expected_seconds is None and test.pack is not None
        self.count += 1
        self.budget_seconds = min(self.budget_seconds, self._longest_with(test))

    def _length(self, test: QueuedTest) -> tuple[float | None, bool]:
        """Seconds that a test is reckoned with, and whether something is known of it."""
        if test.expected_seconds is not None or test.pack is None or self.pace is None:
            return expected(test, self.limits), test.expected_seconds is not None
        measured = self.pace.seconds_of(test.pack)
        return (self.pace.typical_seconds, False) if measured is None else (measured, True)

    def _most_unknown(self) -> int:
        paced = self.pace is not None and self.pace.known
        return self.limits.most_guessed if paced else self.limits.most_unknown

    def _budget_with(self, test: QueuedTest) -> float:
        share = self.slot_share_seconds * self.limits.share
        if test.pack is not None:
            share = max(share, min(self.limits.worth_seconds, self.idle_share_seconds))
        return min(self.budget_seconds, self._longest_with(test), share)

    def _longest_with(self, test: QueuedTest) -> float:
        return self.limits.pack_seconds if test.pack is not None else self.limits.single_seconds
