"""Which tests `--lf` takes: those that are known to fail, or all where none of these is there (pytest's rule)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from pulseq.models import CommandBody, PytestItemBody, TestCase
from pulseq.run.expansion import CollectedTests

#: What a run says of itself where history knows no failure.
NONE_KNOWN = "--lf: no test is known to fail, so all are run"


class LastFailed:
    """The choice that one run makes among its tests, while they are being collected.

    Args:
        known: ids of tests that are known to fail; None takes every test.
    """

    def __init__(self, known: Collection[str] | None) -> None:
        self._known = known
        self._above = above(known or ())
        self._taken = 0
        self._left = 0
        self._put_off: list[Callable[[bool], None]] = []

    def takes(self, case: TestCase) -> bool:
        """Whether a test of a suite file is taken at once; a command is where a case of its JUnit files failed."""
        found = self._is_known(case) or (
            isinstance(case.body, CommandBody) and case.body.junit is not None and case.id in self._above
        )
        self._taken += found
        return found

    def among(self, tests: CollectedTests) -> CollectedTests | None:
        """Those of an entry's tests that are known to fail; None where there are none."""
        if self._known is None:
            return tests
        items = tuple(item for item in tests.items if self._is_known(item))
        # What kept a file from being collected is told where a test of that file is known to fail.
        verdicts = tuple(one for one in tests.verdicts if self._is_known(one[0]) or one[0].id in self._above)
        found = CollectedTests(items, verdicts)
        if not found.count:
            return None
        self._taken += found.count
        self._left += tests.count - found.count
        return found

    def _is_known(self, case: TestCase) -> bool:
        """Whether a test, or the file or entry that it could not be collected from, is known to fail."""
        if self._known is None or case.id in self._known:
            return True
        return isinstance(case.body, PytestItemBody) and any(name in self._known for name in _names_above(case.id))

    def put_off(self, count: int, decide: Callable[[bool], None]) -> None:
        """Leave tests until all are known: `decide` is told then whether every test is taken."""
        self._left += count
        self._put_off.append(decide)

    def settle(self) -> None:
        """All tests are known now."""
        for decide in self._put_off:
            decide(not self._taken)

    @property
    def said(self) -> str:
        """What was chosen, for whoever watches the run; empty where there was no choice to make, or no test."""
        if self._known is None or not self._taken + self._left:
            return ""
        if not self._taken:
            return "--lf: none of these tests is known to fail, so all are run"
        return f"--lf: {self._taken} of {self._taken + self._left} tests, known to fail from earlier runs"


def above(test_ids: Collection[str]) -> frozenset[str]:
    """The names that stand above these ids: files and classes of pytest's items, entries, commands of JUnit's cases."""
    return frozenset(name for test_id in test_ids for name in _names_above(test_id))


def _names_above(test_id: str) -> Iterator[str]:
    parts = test_id.split("::")
    return ("::".join(parts[:count]) for count in range(1, len(parts)))
