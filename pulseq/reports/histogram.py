"""How long the tests of a run took: counts by duration on a 1-2-5 scale, and the usual percentiles."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

_EDGES = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0, 18000.0, 43200.0, 86400.0),
)


@dataclass(frozen=True, slots=True)
class Bin:
    """Tests that took at least `low` and less than `high` seconds; the ends of the scale are open (None)."""

    low: float | None
    high: float | None
    count: int
    bad: int

    @property
    def words(self) -> str:
        """`0.5 to 1 s`, `under 1 ms`."""
        if self.low is None:
            return f"under {say_edge(self.high or 0.0)}"
        return (
            f"{say_edge(self.low)} or more" if self.high is None else f"{say_edge(self.low)} to {say_edge(self.high)}"
        )

    @property
    def short(self) -> str:
        """A mark for a narrow axis: `0.5 s`, `<1 ms`."""
        return f"<{say_edge(self.high or 0.0)}" if self.low is None else say_edge(self.low)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bins without a gap from the shortest test to the longest; percentiles in seconds, interpolated."""

    bins: tuple[Bin, ...]
    p50: float
    p95: float
    longest: float

    @property
    def most(self) -> int:
        """The count of the fullest bin."""
        return max(one.count for one in self.bins)


def count_durations(durations: Sequence[tuple[float, bool]]) -> Histogram | None:
    """The histogram of (seconds, whether the test went wrong) pairs; None where there are none."""
    if not durations:
        return None
    counts, bad = [0] * (len(_EDGES) + 1), [0] * (len(_EDGES) + 1)
    for seconds, wrong in durations:
        index = bisect.bisect_right(_EDGES, seconds)
        counts[index] += 1
        bad[index] += wrong
    used = [index for index, count in enumerate(counts) if count]
    bins = tuple(_bin(index, counts[index], bad[index]) for index in range(used[0], used[-1] + 1))
    ordered = sorted(seconds for seconds, _ in durations)
    return Histogram(bins, percentile(ordered, 0.5), percentile(ordered, 0.95), ordered[-1])


def percentile(ordered: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` of the ascending values lie, interpolated as SQL's percentile_cont is."""
    at = (len(ordered) - 1) * fraction
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def say_edge(seconds: float) -> str:
    """A mark of the scale: `5 ms`, `2 s`, `10 min`, `1 h`."""
    for unit, factor in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= factor:
            return f"{seconds / factor:g} {unit}"
    return f"{seconds * 1000:g} ms"


def _bin(index: int, count: int, bad: int) -> Bin:
    low = _EDGES[index - 1] if index else None
    high = _EDGES[index] if index < len(_EDGES) else None
    return Bin(low, high, count, bad)
