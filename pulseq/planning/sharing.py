"""What a busy slot gives back when others are idle: work stealing, with the thief's share decided here.

A slot is asked for the last of what it has not begun, so that what it goes on with shares its fixtures;
half of what is left goes to one idle slot, two thirds to two (R. D. Blumofe and C. E. Leiserson,
Journal of the ACM 46(5), 1999, for why stealing is near the best there is). Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

#: What a change of slots costs: a way there and back, a task run, fixtures that are set up again.
SWITCH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Left:
    """A test that a slot has and has not begun.

    Attributes:
        seconds: what it is expected to take.
        group: what shares fixtures with its neighbours (a class of a file); None for nothing.
    """

    seconds: float
    group: Hashable = None


@dataclass(frozen=True, slots=True)
class Lane:
    """What one slot still has to do: what runs, then what waits there and can be had by an idle slot, in order."""

    running_seconds: float
    waiting: tuple[Left, ...]


def share_out(lanes: Sequence[Lane], idle_slots: int, *, switch_seconds: float = SWITCH_SECONDS) -> list[int]:
    """How many of its last tests each lane gives back.

    Args:
        idle_slots: how many slots have nothing to do.
        switch_seconds: a slot that would get less than this gets nothing.
    """
    helpers = [0] * len(lanes)
    for _ in range(idle_slots if lanes else 0):
        gains = [_share(lane, count + 1) - _share(lane, count) for lane, count in zip(lanes, helpers, strict=True)]
        best = max(range(len(lanes)), key=gains.__getitem__)
        if gains[best] < switch_seconds:
            break
        helpers[best] += 1
    return [_count_back(lane, _share(lane, count)) if count else 0 for lane, count in zip(lanes, helpers, strict=True)]


def _share(lane: Lane, helpers: int) -> float:
    """Seconds that so many further slots take over."""
    waiting = sum(test.seconds for test in lane.waiting)
    return min(waiting, (lane.running_seconds + waiting) * helpers / (helpers + 1))


def _count_back(lane: Lane, share_seconds: float) -> int:
    """How many of the last tests come nearest to a share; at a border of groups, where one is near."""
    given, count, least, most = 0.0, 0, 0, 0
    for number, test in enumerate(reversed(lane.waiting), start=1):
        given += test.seconds
        if given - test.seconds / 2 <= share_seconds:
            count = number
        least = number if given < share_seconds / 2 else least
        most = number if given <= share_seconds * 1.5 else most
    count = max(count, 1)
    total = len(lane.waiting)
    groups = [test.group for test in lane.waiting]
    return total - nearest_border(groups, total - count, total - max(most, count), total - max(least, 1))


def nearest_border(groups: Sequence[Hashable], wanted: int, lowest: int, highest: int) -> int:
    """Where to cut a sequence so that no group of neighbours is in both parts, as near as can be to where one wants.

    Args:
        groups: of each element; None shares nothing with anything.
        wanted: so many elements are to be in the first part.
        lowest, highest: bounds of that number; where no border is within them, it is as wanted.
    """
    borders = [cut for cut in range(max(lowest, 0), min(highest, len(groups)) + 1) if is_border(groups, cut)]
    return min(borders, key=lambda cut: abs(cut - wanted), default=wanted)


def is_border(groups: Sequence[Hashable], cut: int) -> bool:
    """Whether a cut before this element leaves all groups whole."""
    return not 0 < cut < len(groups) or groups[cut] is None or groups[cut - 1] != groups[cut]
