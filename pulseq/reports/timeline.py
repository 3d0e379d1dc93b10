"""Who ran what when: the attempts of a run laid out on lanes, folded so that the picture stays small.

Pure geometry in seconds since the start of the run. While there are few slots, each
has a lane with a bar per attempt, and attempts too short to be seen are one bar.
Beyond that a lane is a node or several, and its height tells how many slots were busy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult
from pulseq.records import RunRecord
from pulseq.reports.wording import say_clock, say_seconds, say_test, sort_names

_MOST_LANES = 48
_MOST_GROUPS = 24
_MOST_BARS = 5000
_MOST_COLUMNS = 800
_TICK_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 6
_SHORTEST_SECONDS = 0.001
#: What an attempt can come to, worst first.
KINDS = ("failed", "error", "lost", "skipped", "passed")
_WRONG = KINDS[:3]


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt, or several in one.

    Attributes:
        kind: what it came to; of several, what most of them did.
        share: how much of the lane's slots it took, 0 to 1.
        wrong: how many of several went wrong, 0 to 1.
        wrong_kind: the worst of what those came to.
    """

    start: float
    end: float
    kind: str
    title: str
    share: float = 1.0
    wrong: float = 0.0
    wrong_kind: str = "failed"


@dataclass(frozen=True, slots=True)
class Track:
    """The lanes of a node, or one lane for the slots of several nodes, of which `lost` went away."""

    node_ids: tuple[str, ...]
    slots: int
    lost: int
    lanes: tuple[tuple[Bar, ...], ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes of a run, from its first attempt to the end of its last.

    Attributes:
        begin: seconds from the start of the run to the left end of the picture.
        end: the same to its right end; more than `begin`.
        ticks: seconds at which the axis has a mark, with its words.
        folded: whether a lane is more than one slot.
        undrawn: attempts of which nobody knows when they began (their node was lost).
    """

    begin: float
    end: float
    tracks: tuple[Track, ...]
    ticks: tuple[tuple[float, str], ...]
    folded: bool
    attempts: int
    undrawn: int


@dataclass(slots=True)
class _Stretch:
    """An attempt on its way into a picture."""

    start: float
    end: float
    result: AttemptResult


class _Window:
    """The part of the run that is drawn: never of no length."""

    def __init__(self, begin: float, end: float) -> None:
        self.begin = begin
        self.end = max(end, begin + _SHORTEST_SECONDS)
        self.seconds = self.end - self.begin


def lay_out(record: RunRecord) -> Timeline | None:
    """The timeline of a run, or None where nothing is known to have run.

    Attempts lie where their node's clock has them. A node whose clock is off as a
    whole is moved into the run; what still sticks out is cut off at its ends.
    """
    results = [result for test in record.tests.values() for result in test.attempts.values()]
    known = [result for result in results if result.started_at > 0 and result.node_id]
    if not known:
        return None
    began = record.started.started_at if record.started else min(result.started_at for result in known)
    last = max(result.started_at + result.duration for result in known)
    seconds = max(record.finished.wall_seconds if record.finished else last - began, _SHORTEST_SECONDS)
    nodes = _stretch_out(record, known, began, seconds)
    slots = {node_id: record.nodes[node_id].slots if node_id in record.nodes else 1 for node_id in nodes}
    folded = sum(slots.values()) > _MOST_LANES
    lanes = {} if folded else {node_id: _fill_lanes(one, slots[node_id], seconds) for node_id, one in nodes.items()}
    drawn = [one for stretches in nodes.values() for one in stretches]
    window = _Window(min(one.start for one in drawn), max(one.end for one in drawn))
    lost = {event.node_id for event in record.lost}
    tracks = tuple(_fold_nodes(nodes, slots, lost, window) if folded else _slot_tracks(lanes, slots, lost, window))
    return Timeline(window.begin, window.end, tracks, _ticks(window), folded, len(known), len(results) - len(known))


def kind_of(result: AttemptResult) -> str:
    """One of `KINDS`."""
    return "lost" if result.reason in INFRASTRUCTURE_REASONS else result.status.value


def _stretch_out(
    record: RunRecord, results: Iterable[AttemptResult], began: float, seconds: float
) -> dict[str, list[_Stretch]]:
    """The attempts of every node within the run, by start; a node that ran none has none."""
    nodes: dict[str, list[_Stretch]] = {node_id: [] for node_id in record.nodes}
    for result in results:
        start = result.started_at - began
        nodes.setdefault(result.node_id, []).append(_Stretch(start, start + max(result.duration, 0.0), result))
    for stretches in nodes.values():
        _move_inside(stretches, seconds)
    return {node_id: nodes[node_id] for node_id in sort_names(nodes)}


def _move_inside(stretches: list[_Stretch], seconds: float) -> None:
    if not stretches:
        return
    first, last = min(one.start for one in stretches), max(one.end for one in stretches)
    shift = 0.0
    if last - first <= seconds:
        shift = -first if first < 0 else min(seconds - last, 0.0)
    for one in stretches:
        one.start = min(max(one.start + shift, 0.0), seconds)
        one.end = min(max(one.end + shift, one.start), seconds)
    stretches.sort(key=lambda one: one.start)


def _slot_tracks(
    nodes: Mapping[str, list[list[_Stretch]]], slots: Mapping[str, int], lost: set[str], window: _Window
) -> Iterable[Track]:
    """One lane for one slot, with a bar for an attempt or for several that are too short to be seen."""
    per_lane = _MOST_BARS // max(sum(slots.values()), 1) // 2
    grain = window.seconds / min(max(per_lane, 50), _MOST_COLUMNS)
    for node_id, filled in nodes.items():
        lanes = tuple(tuple(_merge_short(lane, grain)) for lane in filled)
        yield Track((node_id,), slots[node_id], int(node_id in lost), lanes)


def _fill_lanes(stretches: Sequence[_Stretch], slots: int, seconds: float) -> list[list[_Stretch]]:
    """Each attempt on a lane that is free when it starts.

    Where none is, it comes after the one that ends first: the cases that a tool left in
    its JUnit files all have the start of the command that ran them one by one.
    """
    lanes: list[list[_Stretch]] = [[] for _ in range(max(slots, 1))]
    free = [0.0] * len(lanes)
    for one in stretches:
        index = next((index for index, at in enumerate(free) if at <= one.start), None)
        if index is None:
            index = min(range(len(free)), key=free.__getitem__)
        start = max(one.start, free[index])
        one.start, one.end = start, max(min(start + one.end - one.start, seconds), start)
        free[index] = one.end
        lanes[index].append(one)
    return lanes


def _merge_short(lane: Sequence[_Stretch], grain: float) -> Iterable[Bar]:
    """A bar for each attempt; those that lie within `grain` seconds share one."""
    together: list[_Stretch] = []
    for one in lane:
        if together and one.end - together[0].start > grain:
            yield _bar(together)
            together = []
        together.append(one)
    if together:
        yield _bar(together)


def _bar(together: Sequence[_Stretch]) -> Bar:
    first, end = together[0], together[-1].end
    if len(together) == 1:
        return Bar(first.start, end, kind_of(first.result), _say_attempt(first.result, first.start))
    kinds = Counter(kind_of(one.result) for one in together)
    return _mixed(first.start, end, kinds, f"{say_clock(first.start)}: {_say_kinds(kinds)}", 1.0)


def _mixed(start: float, end: float, kinds: Counter[str], title: str, share: float) -> Bar:
    """A bar for several attempts: in the colour of most of them, and how many went wrong."""
    usual = max(reversed(KINDS), key=kinds.__getitem__)
    wrong = sum(kinds[kind] for kind in _WRONG)
    worst = next((kind for kind in _WRONG if kinds[kind]), _WRONG[0])
    return Bar(start, end, usual, title, share, wrong / max(kinds.total(), 1), worst)


def _say_attempt(result: AttemptResult, start: float) -> str:
    why = f" ({result.reason.value})" if result.reason else ""
    tries = f", attempt {result.attempt}" if result.attempt > 1 else ""
    name = say_test(result.test_id, result.variant, 80)
    return f"{name}: {result.status.value}{why}{tries}, {say_seconds(result.duration)} from {say_clock(start)}"


def _say_kinds(kinds: Counter[str]) -> str:
    told = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    return f"{kinds.total()} attempts: {told}" if kinds.total() != 1 else f"1 attempt: {told}"


def _fold_nodes(
    nodes: Mapping[str, list[_Stretch]], slots: Mapping[str, int], lost: set[str], window: _Window
) -> Iterable[Track]:
    """One lane for one node or for as many neighbours as it takes to stay within the bound."""
    node_ids = list(nodes)
    together = -(-len(node_ids) // _MOST_GROUPS)
    groups = [tuple(node_ids[at : at + together]) for at in range(0, len(node_ids), together)]
    columns = min(max(_MOST_BARS // len(groups), 60), _MOST_COLUMNS // 2)
    for group in groups:
        room = sum(slots[node_id] for node_id in group)
        stretches = [one for node_id in group for one in nodes[node_id]]
        yield Track(group, room, len(lost.intersection(group)), (tuple(_columns(stretches, room, window, columns)),))


def _columns(stretches: Sequence[_Stretch], slots: int, window: _Window, columns: int) -> Iterable[Bar]:
    """The lane in equal columns, each as full as its slots were busy, with what ended in it."""
    grain = window.seconds / columns
    busy = [0.0] * columns
    kinds: list[Counter[str]] = [Counter() for _ in range(columns)]
    for one in stretches:
        first, last = (min(int((at - window.begin) / grain), columns - 1) for at in (one.start, one.end))
        for column in range(first, last + 1):
            left = window.begin + column * grain
            busy[column] += max(min(one.end, left + grain) - max(one.start, left), 0.0)
        kinds[last][kind_of(one.result)] += 1
    for column, seconds_busy in enumerate(busy):
        if seconds_busy or kinds[column]:
            share = min(seconds_busy / grain / max(slots, 1), 1.0)
            title = f"{say_clock(left)}: {share:.0%} of {slots} slots busy; ended: {_say_kinds(kinds[column])}"
            yield _mixed(left, left + grain, kinds[column], title, share)


def _ticks(window: _Window) -> tuple[tuple[float, str], ...]:
    """Round times of the run that lie in the window."""
    days = _TICK_SECONDS[-1]
    fitting = (step for step in _TICK_SECONDS if window.seconds / step <= _MOST_TICKS)
    step = next(fitting, days * math.ceil(window.seconds / days / _MOST_TICKS))
    times = (step * at for at in range(math.ceil(window.begin / step), math.floor(window.end / step) + 1))
    return tuple((at, f"{at:.1f} s" if step < 1 else say_clock(at)) for at in times)
