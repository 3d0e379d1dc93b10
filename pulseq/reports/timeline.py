"""Who ran what when: the attempts of a run laid out on lanes, folded so that the picture stays small.

Pure geometry in seconds since the start of the run. While there are few slots, each
has a lane with a bar per attempt, and attempts too short to be seen are one bar.
Beyond that a lane is a node or several, and its height tells how many slots were busy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult
from pulseq.records import RunRecord
from pulseq.reports.wording import say_clock, say_seconds, say_test

_MOST_LANES = 64
_MOST_BARS = 5000
_MOST_COLUMNS = 800
_TICK_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 6
#: What an attempt can come to, worst first.
KINDS = ("failed", "error", "lost", "skipped", "passed")


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt, or several; `share` is how much of the lane's slots it took, 0 to 1."""

    start: float
    end: float
    kind: str
    title: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Track:
    """The lanes of a node, or one lane for the slots of several nodes; bars are ordered by start."""

    node_ids: tuple[str, ...]
    slots: int
    lanes: tuple[tuple[Bar, ...], ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes of a run, `seconds` long.

    Attributes:
        ticks: seconds at which the axis has a mark, with its words.
        folded: whether a lane is more than one slot.
        undrawn: attempts of which nobody knows when they began (their node was lost).
    """

    seconds: float
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
    seconds = max(record.finished.wall_seconds if record.finished else last - began, 0.001)
    nodes: dict[str, list[_Stretch]] = {node_id: [] for node_id in record.nodes}
    for result in known:
        start = result.started_at - began
        nodes.setdefault(result.node_id, []).append(_Stretch(start, start + max(result.duration, 0.0), result))
    for stretches in nodes.values():
        _move_inside(stretches, seconds)
    slots = {node_id: record.nodes[node_id].slots if node_id in record.nodes else 1 for node_id in nodes}
    folded = sum(slots.values()) > _MOST_LANES
    tracks = _fold_nodes(nodes, slots, seconds) if folded else _slot_tracks(nodes, slots, seconds)
    return Timeline(seconds, tuple(tracks), _ticks(seconds), folded, len(known), len(results) - len(known))


def kind_of(result: AttemptResult) -> str:
    """One of `KINDS`."""
    return "lost" if result.reason in INFRASTRUCTURE_REASONS else result.status.value


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


def _slot_tracks(nodes: dict[str, list[_Stretch]], slots: dict[str, int], seconds: float) -> Iterable[Track]:
    lanes = max(sum(slots.values()), 1)
    grain = seconds / min(max(_MOST_BARS // lanes // 2, 50), _MOST_COLUMNS)
    for node_id, stretches in nodes.items():
        filled = _fill_lanes(stretches, slots[node_id], seconds)
        yield Track((node_id,), slots[node_id], tuple(tuple(_merge_short(lane, grain)) for lane in filled))


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
        one.start, one.end = start, min(start + one.end - one.start, seconds)
        free[index] = one.end
        lanes[index].append(one)
    return lanes


@dataclass(slots=True)
class _Heap:
    """Attempts on one lane that become one bar."""

    start: float
    end: float
    results: list[AttemptResult] = field(default_factory=list)


def _merge_short(lane: Sequence[_Stretch], grain: float) -> Iterable[Bar]:
    """A bar for each attempt; those that lie within `grain` seconds share one."""
    heap: _Heap | None = None
    for one in lane:
        if heap and one.end - heap.start <= grain:
            heap.end = one.end
            heap.results.append(one.result)
            continue
        if heap:
            yield _bar(heap)
        heap = _Heap(one.start, one.end, [one.result])
    if heap:
        yield _bar(heap)


def _bar(heap: _Heap) -> Bar:
    kinds = Counter(kind_of(result) for result in heap.results)
    if len(heap.results) == 1:
        return Bar(heap.start, heap.end, kind_of(heap.results[0]), _say_attempt(heap.results[0], heap.start))
    return Bar(heap.start, heap.end, _worst(kinds), f"{say_clock(heap.start)}: {_say_kinds(kinds)}")


def _say_attempt(result: AttemptResult, start: float) -> str:
    why = f" ({result.reason.value})" if result.reason else ""
    tries = f", attempt {result.attempt}" if result.attempt > 1 else ""
    name = say_test(result.test_id, result.variant, 80)
    return f"{name}: {result.status.value}{why}{tries}, {say_seconds(result.duration)} from {say_clock(start)}"


def _say_kinds(kinds: Counter[str]) -> str:
    told = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    return f"{kinds.total()} attempts: {told}" if kinds.total() != 1 else f"1 attempt: {told}"


def _worst(kinds: Counter[str]) -> str:
    return next((kind for kind in KINDS if kinds[kind]), "passed")


def _fold_nodes(nodes: dict[str, list[_Stretch]], slots: dict[str, int], seconds: float) -> Iterable[Track]:
    """One lane for one node or for as many neighbours as it takes to stay within the bound."""
    node_ids = list(nodes)
    together = -(-len(node_ids) // _MOST_LANES)
    groups = [tuple(node_ids[at : at + together]) for at in range(0, len(node_ids), together)]
    columns = min(max(_MOST_BARS // len(groups), 60), _MOST_COLUMNS // 2)
    for group in groups:
        room = sum(slots[node_id] for node_id in group)
        stretches = [one for node_id in group for one in nodes[node_id]]
        yield Track(group, room, (tuple(_columns(stretches, room, seconds, columns)),))


def _columns(stretches: Sequence[_Stretch], slots: int, seconds: float, columns: int) -> Iterable[Bar]:
    """The lane in equal columns, each as full as its slots were busy, in the colour of the worst end in it."""
    grain = seconds / columns
    busy = [0.0] * columns
    kinds: list[Counter[str]] = [Counter() for _ in range(columns)]
    for one in stretches:
        first, last = (min(int(at / grain), columns - 1) for at in (one.start, one.end))
        for column in range(first, last + 1):
            busy[column] += max(min(one.end, (column + 1) * grain) - max(one.start, column * grain), 0.0)
        kinds[last][kind_of(one.result)] += 1
    for column, seconds_busy in enumerate(busy):
        if seconds_busy or kinds[column]:
            share = min(seconds_busy / grain / max(slots, 1), 1.0)
            title = (
                f"{say_clock(column * grain)}: {share:.0%} of {slots} slots busy; ended: {_say_kinds(kinds[column])}"
            )
            yield Bar(column * grain, (column + 1) * grain, _worst(kinds[column]), title, share)


def _ticks(seconds: float) -> tuple[tuple[float, str], ...]:
    step = next((step for step in _TICK_SECONDS if seconds / step <= _MOST_TICKS), 86400 * (1 + seconds // 518400))
    count = int(seconds / step)
    return tuple((step * at, f"{step * at:.1f}" if step < 1 else say_clock(step * at)) for at in range(count + 1))
