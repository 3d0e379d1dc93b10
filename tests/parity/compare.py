"""Two outcomes, and what is different between them: pure functions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.parity.outcome import CATEGORIES, SESSION_ROW, VERDICTS, Outcome

#: Longer values are cut.
_TOLD_LENGTH = 160


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a mode differs from pytest.

    `what` names it for the list of those that are meant: `exit`, `counts:passed`, `test:NODE ID`, `file:NAME`,
    `report:NAME`, `run`; `expected` is pytest's side and `actual` that of the mode.
    """

    what: str
    expected: str
    actual: str


def find_differences(expected: Outcome, actual: Outcome) -> list[Difference]:
    """All in which an outcome differs from that of pytest."""
    if expected.failure or actual.failure:
        return [Difference("run", expected.failure or "ended", actual.failure or "ended")]
    if expected.verdicts and not actual.verdicts:
        told = f"exit {actual.exit_code}, no test: {' / '.join(actual.output.strip().splitlines()[-3:])}"
        return [Difference("run", f"exit {expected.exit_code}, {len(expected.verdicts)} tests", told)]
    return [
        *_compare_exits(expected, actual),
        *compare_counts(expected, actual),
        *compare_verdicts(expected.verdicts, actual.verdicts),
        *_compare_files(expected.files, actual.files),
        *_compare_reports(expected.reports, actual.reports),
    ]


def _compare_exits(expected: Outcome, actual: Outcome) -> list[Difference]:
    if expected.exit_code == actual.exit_code:
        return []
    return [Difference("exit", str(expected.exit_code), str(actual.exit_code))]


def compare_counts(expected: Outcome, actual: Outcome) -> list[Difference]:
    """The differences of the two summary lines.

    A test that has two verdicts in pytest (it passed, and its teardown failed) has one in PulseQ. Where nothing else
    tells the counts apart, that is the one difference `one-verdict`; and so it is with PulseQ's row for the session.
    """
    session = Counter(actual.verdicts.get(SESSION_ROW, ()))
    counted = _subtract(actual.counts, session)
    found: list[Difference] = []
    wanted = expected.counts
    lesser = Counter(verdict for verdicts in expected.verdicts.values() for verdict in _lesser_verdicts(verdicts))
    if lesser and any(wanted.get(verdict, 0) != counted.get(verdict, 0) for verdict in lesser):
        wanted = _subtract(wanted, lesser)
        found.append(Difference("one-verdict", words_of_counts(expected.counts), words_of_counts(actual.counts)))
    found += [
        Difference(f"counts:{category}", str(wanted.get(category, 0)), str(counted.get(category, 0)))
        for category in _categories(wanted, counted)
        if wanted.get(category, 0) != counted.get(category, 0)
    ]
    return found


def _lesser_verdicts(verdicts: tuple[str, ...]) -> list[str]:
    """What PulseQ leaves out of a test's verdicts, of which it keeps the worst."""
    if len(set(verdicts)) < 2:
        return []
    left = list(verdicts)
    left.remove(worst_verdict(verdicts))
    return left


def worst_verdict(verdicts: Iterable[str]) -> str:
    """The one that PulseQ keeps of several."""
    return min(verdicts, key=VERDICTS.index)


def _subtract(counts: Mapping[str, int], less: Mapping[str, int]) -> dict[str, int]:
    return {category: left for category, count in counts.items() if (left := count - less.get(category, 0))}


def _categories(*counts: Mapping[str, int]) -> list[str]:
    """Pytest's categories first, in its order, then those of PulseQ alone (`flaky`)."""
    others = {category for mapping in counts for category in mapping} - set(CATEGORIES)
    return [*CATEGORIES, *sorted(others)]


def words_of_counts(counts: Mapping[str, int]) -> str:
    """The counts as a summary line says them."""
    return ", ".join(f"{counts[category]} {category}" for category in _categories(counts) if counts.get(category))


def compare_verdicts(
    expected: Mapping[str, tuple[str, ...]], actual: Mapping[str, tuple[str, ...]]
) -> list[Difference]:
    """The tests that differ: by the worst of their verdicts where one side has one alone, by all of them otherwise."""
    found = []
    for name in sorted({*expected, *actual}):
        wanted, got = expected.get(name, ()), actual.get(name, ())
        if wanted == got or (len(got) == 1 and len(set(wanted)) > 1 and worst_verdict(wanted) == got[0]):
            continue
        found.append(Difference(f"test:{name}", " + ".join(wanted) or "absent", " + ".join(got) or "absent"))
    return found


def _compare_files(expected: Iterable[str], actual: Iterable[str]) -> list[Difference]:
    wanted, got = Counter(expected), Counter(actual)
    return [
        Difference(f"file:{name}", str(wanted[name]), str(got[name]))
        for name in sorted({*wanted, *got})
        if wanted[name] != got[name]
    ]


def _compare_reports(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[Difference]:
    return [
        Difference(f"report:{name}", *_where_apart(expected[name], actual.get(name)))
        for name in expected
        if expected[name] != actual.get(name)
    ]


def _where_apart(expected: Any, actual: Any) -> tuple[str, str]:
    """Both sides, reduced to the entries of a mapping or a list that the other one does not have."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        apart = [key for key in sorted({*expected, *actual}) if expected.get(key) != actual.get(key)]
        return _shorten({key: expected.get(key) for key in apart}), _shorten({key: actual.get(key) for key in apart})
    if isinstance(expected, list) and isinstance(actual, list):
        left, right = ([entry for entry in one if entry not in other] for one, other in _both_ways(expected, actual))
        if left or right:
            return _shorten(left), _shorten(right)
    return _shorten(expected), _shorten(actual)


def _both_ways(first: list[Any], second: list[Any]) -> tuple[tuple[list[Any], list[Any]], ...]:
    return (first, second), (second, first)


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= _TOLD_LENGTH else f"{text[:_TOLD_LENGTH]}… ({len(text)} characters)"


def unstable_tests(first: Outcome, second: Outcome) -> frozenset[str]:
    """The tests on which two runs of pytest itself do not agree."""
    names = {*first.verdicts, *second.verdicts}
    return frozenset(name for name in names if first.verdicts.get(name) != second.verdicts.get(name))


def without_unstable(differences: Iterable[Difference], first: Outcome, second: Outcome) -> list[Difference]:
    """The differences that remain when what two runs of pytest disagree on is not counted."""
    unstable = {f"test:{name}" for name in unstable_tests(first, second)}
    own = {difference.what for difference in find_differences(first, second)}
    return [difference for difference in differences if difference.what not in unstable | own]
