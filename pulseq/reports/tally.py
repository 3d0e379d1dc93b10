"""How many tests of a run have which verdict, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pulseq.events import TestClosed
from pulseq.models import NO_VERDICT_REASONS, Reason, Status
from pulseq.records import RunRecord
from pulseq.reports.verdicts import is_not_run
from pulseq.reports.wording import say_count
from pulseq.safe_text import safe_line


@dataclass(slots=True)
class Tally:
    """Counts of closed tests.

    `passed`, `failed`, `errors` and `skipped` add up to `total`. `not_run` are those that a person, a deadline or
    `-x` stopped before they had a verdict: they are in none of these. The next ones count some of the same tests
    again: `xfailed` of the skipped, `flaky` and `xpassed` of the passed, `no_verdict` (node lost, unsatisfiable,
    internal) of the errors. `deselected` items, `warnings`, `reruns` and `subtests_passed` are what pytest tells
    besides, and `categories` what plug-ins of it count.
    """

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    not_run: int = 0
    xfailed: int = 0
    flaky: int = 0
    no_verdict: int = 0
    xpassed: int = 0
    deselected: int = 0
    warnings: int = 0
    reruns: int = 0
    subtests_passed: int = 0
    categories: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.errors + self.skipped

    @property
    def closed(self) -> int:
        """Tests that nothing more is to come of: with a verdict, or not run."""
        return self.total + self.not_run

    def add(self, closed: TestClosed, sign: int = 1) -> None:
        """Count a verdict, or take it back with `sign` -1."""
        if is_not_run(closed):
            self.not_run += sign
            return
        match closed.status:
            case Status.PASSED:
                self.passed += sign
            case Status.FAILED:
                self.failed += sign
            case Status.ERROR:
                self.errors += sign
            case Status.SKIPPED:
                self.skipped += sign
        self.xfailed += sign * (closed.status is Status.SKIPPED and closed.reason is Reason.XFAIL)
        self.flaky += sign * closed.flaky
        self.no_verdict += sign * (closed.reason in NO_VERDICT_REASONS)

    def words(self, *, short: bool = False) -> list[tuple[str, str]]:
        """The counts that are not zero as (kind, words), worst first; `short` leaves out what is in parentheses.

        The words are pytest's, and as there no test is in two of them but for `flaky`.
        """
        causes = f" ({self.no_verdict} without a verdict)" if self.no_verdict and not short else ""
        passed, skipped = self.passed - self.xpassed, self.skipped - self.xfailed
        said = [
            ("failed", self.failed, f"{self.failed} failed"),
            ("error", self.errors, f"{say_count(self.errors, 'error')}{causes}"),
            ("passed", passed, f"{passed} passed"),
            ("skipped", skipped, f"{skipped} skipped"),
            ("skipped", self.xfailed, f"{self.xfailed} xfailed"),
            ("flaky", self.xpassed, f"{self.xpassed} xpassed"),
            ("flaky", self.flaky, f"{self.flaky} flaky"),
            ("neutral", self.not_run, f"{self.not_run} not run"),
            ("neutral", self.deselected, f"{self.deselected} deselected"),
            ("flaky", self.warnings, say_count(self.warnings, "warning")),
            ("flaky", self.reruns, f"{self.reruns} rerun"),
            ("passed", self.subtests_passed, f"{self.subtests_passed} subtests passed"),
            *(("flaky", count, f"{count} {safe_line(name)}") for name, count in self.categories.items()),
        ]
        return [(kind, words) for kind, count, words in said if count]

    def say(self) -> str:
        """The words in one line, as every report of a run has them."""
        return ", ".join(words for _, words in self.words()) or "no test has a verdict"


def count_closed(verdicts: Iterable[TestClosed], told: Tally | None = None) -> Tally:
    """The tally of verdicts, and of what is told besides."""
    tally = told or Tally()
    for closed in verdicts:
        tally.add(closed)
    return tally


def count_verdicts(record: RunRecord) -> Tally:
    """The tally of all tests of a run that are closed, and of what pytest tells besides."""
    told = Tally(
        xpassed=record.xpassed,
        deselected=record.deselected,
        warnings=sum(1 for _ in record.pytest_warnings()),
        reruns=record.reruns,
        subtests_passed=record.subtests_passed,
        categories=record.categories,
    )
    return count_closed((test.closed for test in record.tests.values() if test.closed), told)
