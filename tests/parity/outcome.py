"""What a run of a suite came to, in the same words for pytest and for PulseQ."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: What pytest's summary line can count; the names are those of its own statistics.
CATEGORIES = (
    "failed",
    "passed",
    "skipped",
    "deselected",
    "xfailed",
    "xpassed",
    "warnings",
    "error",
    "rerun",
    "subtests passed",
    "subtests failed",
    "subtests skipped",
)
#: The categories that are a verdict of a test, worst first.
VERDICTS = ("failed", "error", "xpassed", "xfailed", "skipped", "passed")
#: The row that PulseQ has for what concerns a run as a whole.
SESSION_ROW = "pytest::[session]"

_SINGULAR = {"warning": "warnings", "errors": "error", "reruns": "rerun"}
_COUNT = re.compile(r"(\d+) ((?:subtests )?[a-z]+)")
#: A long line has no rule around it.
_SUMMARY = re.compile(r"^(?:═+ )?(\d+ [a-z].*) in [\d.:]+ (?:s|min|h)(?: · [a-z ]+)?(?: ═+)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run of a suite in one mode.

    `verdicts` is every test's categories by node id, sorted: pytest can have two for one test.
    `files` are those that are new or changed in the tree, neutral names; `reports` what was read from each report.
    `failure` says why there is no outcome: a time limit, or output that could not be read.
    """

    mode: str
    seconds: float
    exit_code: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    reports: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
    output: str = ""


def verdicts_of_tests(tests: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Each node id's verdicts from what the recorder wrote, the node ids of each category."""
    pairs = [(name, verdict) for verdict in VERDICTS for name in tests.get(verdict, ())]
    return _gather(pairs)


def verdicts_of_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Each test's category from PulseQ's `results`."""
    return _gather((row["test_id"], _verdict_of_row(row)) for row in rows)


def _verdict_of_row(row: Mapping[str, Any]) -> str:
    if row["status"] == "passed" and row.get("xpassed") is not None:
        return "xpassed"
    return "xfailed" if (row["status"], row["reason"]) == ("skipped", "xfail") else str(row["status"])


def _gather(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    gathered: dict[str, list[str]] = {}
    for name, verdict in pairs:
        gathered.setdefault(name, []).append(verdict)
    # A test that was repeated (reruns, a parametrized id that pytest itself has twice) counts each of its verdicts.
    return {name: tuple(sorted(found)) for name, found in gathered.items()}


def read_summary(output: str) -> dict[str, int] | None:
    """The counts of PulseQ's last line, in pytest's categories; None if there is no such line.

    What stands in parentheses behind `skipped` counts some of the skipped again: pytest counts those as xfailed alone.
    """
    if not (lines := _SUMMARY.findall(output)):
        return None
    counts: Counter[str] = Counter()
    for part in re.split(r", (?![^(]*\))", lines[-1]):
        head, _, inner = part.partition(" (")
        counts.update(_counts_in(head))
        for word, count in _counts_in(inner).items():
            if word in CATEGORIES:
                counts[word] += count
                counts[next(iter(_counts_in(head)))] -= count
    # `flaky` and `cancelled` are PulseQ's own words, beside pytest's.
    return {word: count for word, count in counts.items() if count and word in CATEGORIES}


def _counts_in(text: str) -> dict[str, int]:
    return {_SINGULAR.get(word, word): int(count) for count, word in _COUNT.findall(text)}


_UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
_COVERAGE_PART = re.compile(r"\.coverage\.[^/]+$")
_STAMP = re.compile(r"\d{8}[_T-]?\d{6}|\d{5,}")


def neutral_name(name: str) -> str:
    """A file's name without what is different in every run: random ids, times and process ids."""
    if _COVERAGE_PART.search(name):
        return _COVERAGE_PART.sub(".coverage.<part>", name)
    return _STAMP.sub("<number>", _UUID.sub("<id>", name))
