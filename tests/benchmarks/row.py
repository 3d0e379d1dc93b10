"""A row of the table: what is compared, how far it is to reach, what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.benchmarks.bench import Bench


class CannotMeasureError(Exception):
    """Rows need what this machine does not have; the text says what."""


class Compare(Enum):
    """What the ratio of a row is; with MORE it is a difference, in the row's unit."""

    FASTER = "theirs / ours"
    SHARE = "ours / theirs"
    MORE = "ours - theirs"


@dataclass(frozen=True, slots=True)
class Goal:
    """How far a ratio is to reach: at least `bound` or at most."""

    bound: float
    at_least: bool

    def reached_by(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured for a row: values in its unit, those of one way to do it under its name.

    Where there are several ways, the one with the best median stands for its side.
    """

    ours: Mapping[str, list[float]]
    theirs: Mapping[str, list[float]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        work, against: the words of the table.
        unit: of the samples of both sides.
        goal: None where a row only tells.
        more_is_better: of the samples, not of the ratio.
    """

    name: str
    work: str
    against: str
    unit: str
    goal: Goal | None
    compare: Compare = Compare.SHARE
    more_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row with its samples."""

    row: Row
    samples: Samples

    @property
    def ours(self) -> tuple[str, float]:
        """The best way of ours and its median."""
        return self._best(self.samples.ours)

    @property
    def theirs(self) -> tuple[str, float]:
        """The best way of theirs and its median."""
        return self._best(self.samples.theirs)

    @property
    def ratio(self) -> float:
        ours, theirs = self.ours[1], self.theirs[1]
        match self.row.compare:
            case Compare.FASTER:
                return theirs / ours
            case Compare.MORE:
                return ours - theirs
            case _:
                return ours / theirs

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None where there is none."""
        return None if self.row.goal is None else self.row.goal.reached_by(self.ratio)

    def _best(self, ways: Mapping[str, list[float]]) -> tuple[str, float]:
        medians = {way: median(values) for way, values in ways.items()}
        choose = max if self.row.more_is_better else min
        way = choose(medians, key=medians.__getitem__)
        return way, medians[way]


def at_least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound, at_least=False)


#: Name of a row to its samples.
Measured = Mapping[str, Samples]
Measure = Callable[["Bench"], Measured]
