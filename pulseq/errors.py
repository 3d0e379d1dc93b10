"""Every error that PulseQ raises on purpose, and the exit code each one ends in.

PulseqError                    3   something of ours went wrong
├── UsageError                 4   bad input: suite, nodes, options, state directory
│   ├── ConfigurationError     4   a file with problems, all of them at once
│   └── SchemaVersionError     4   a database written by a newer PulseQ
├── NothingToRunError          5   the selection is empty
└── InfrastructureError       10   a server, scheduler or node that we cannot do without
    └── NoNodeFitsError       10   no node has what is asked for
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

#: Problems of one kind that are told one by one.
MOST_OF_A_KIND = 20
_COUNTED = re.compile(r"\[\d+\]")
_NAMED = re.compile(r"'.*?'|\d+")


class ExitCode(IntEnum):
    """What the `pulseq` command ends with; the numbers 0 to 5 are pytest's."""

    OK = 0
    TESTS_FAILED = 1
    INTERRUPTED = 2
    INTERNAL_ERROR = 3
    USAGE_ERROR = 4
    NOTHING_TO_RUN = 5
    NO_VERDICT = 10
    GATE_FAILED = 11
    DEADLINE = 124


class PulseqError(Exception):
    """Base of all errors raised on purpose; its text is one clear sentence for the user."""

    exit_code: ExitCode = ExitCode.INTERNAL_ERROR


class UsageError(PulseqError):
    """The input cannot be used; nothing was started."""

    exit_code = ExitCode.USAGE_ERROR


class NothingToRunError(PulseqError):
    """The selection left no test."""

    exit_code = ExitCode.NOTHING_TO_RUN


class InfrastructureError(PulseqError):
    """A server, a scheduler or a node that the run cannot do without is not there."""

    exit_code = ExitCode.NO_VERDICT


class NoNodeFitsError(InfrastructureError):
    """No node has what is asked for; the text has the one that comes nearest."""


class SchemaVersionError(UsageError):
    """The database was written by a newer PulseQ than this one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where, what was found, what was expected."""

    file: str
    line: int | None
    key: str
    found: str
    expected: str
    suggestion: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{place}: {self.key}: found {self.found}, expected {self.expected}"
        return f"{text}; did you mean {self.suggestion!r}?" if self.suggestion else text

    @property
    def kind(self) -> tuple[str, str, str]:
        """What it has in common with others that are wrong in the same way."""
        return (self.file, _COUNTED.sub("", self.key), _NAMED.sub("", f"{self.found} {self.expected}"))


class ConfigurationError(UsageError):
    """A configuration file with problems, all of them told at once; of many of a kind the first, and their number.

    Attributes:
        problems: every problem found, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(_tell(self.problems)))


def call_all(*calls: Callable[[], Any]) -> list[Any]:
    """Call each, whatever the ones before have raised; what they gave, in their order.

    Raises:
        PulseqError: what the only one raised that did; of several one error with the lines of all.
    """
    given: list[Any] = []
    errors: list[PulseqError] = []
    for call in calls:
        try:
            given.append(call())
        except PulseqError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UsageError("\n".join(map(str, errors)))
    return given


def _tell(problems: Sequence[Problem]) -> Iterator[str]:
    in_all = Counter(problem.kind for problem in problems)
    told: Counter[tuple[str, str, str]] = Counter()
    for problem in problems:
        told[problem.kind] += 1
        if told[problem.kind] <= MOST_OF_A_KIND:
            yield str(problem)
        elif told[problem.kind] == in_all[problem.kind]:
            place = "" if problem.line is None else f", the last one on line {problem.line}"
            yield f"{problem.file}: and {in_all[problem.kind] - MOST_OF_A_KIND} more of this kind{place}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None where none comes near.

    Near is a slip of the keyboard: one letter too many, too few, wrong or swapped for each three of the word, or an
    ending of three quarters of its length that is missing. Case does not count, and `-` and `_` are the same.
    """
    meant = _fold(word)
    most = min(len(meant) // 3 + (len(meant) == 2), 3)
    distances = {one: _count_slips(meant, _fold(one), most) for one in known}
    near = min(distances, key=lambda one: (distances[one], _fold(one)[:1] != meant[:1]), default=None)
    if near is not None and distances[near] <= most:
        return near
    begun = [one for one in distances if len(meant) > 2 and _fold(one).startswith(meant)]
    return begun[0] if len(begun) == 1 and len(begun[0]) <= len(meant) * 1.75 else None


def hint_at_nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is not known: which one comes near, if one does."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def _fold(word: str) -> str:
    return word.casefold().replace("-", "_")


def _count_slips(one: str, other: str, most: int) -> int:
    """Letters to add, leave out, change or swap with their neighbour until `one` is `other`; above `most`: any more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        here = [row]
        for column, wanted in enumerate(other, start=1):
            fewest = min(last[column] + 1, here[-1] + 1, last[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                fewest = min(fewest, before[column - 2] + 1)
            here.append(fewest)
        before, last = last, here
    return last[-1]
