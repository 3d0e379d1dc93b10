"""The tests of a run that the HTML page shows: as many, and as much of their texts, as one page can hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from pulseq.events import TestPlanned
from pulseq.models import Status
from pulseq.records import RunRecord
from pulseq.reports.html_artifacts import ShownArtifact, ShownArtifacts
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.some import Some
from pulseq.reports.verdicts import ClosedTest
from pulseq.safe_text import safe_lines

_ALL_ROWS = 5000
_SLOWEST_ROWS = 1000
_BAD_ROWS = 2000
_DETAILED = 300
_LISTED = 200
_PAGE_TEXT_BYTES = 600_000
_TEXT_CHARACTERS = 24_000
_WORST_FIRST = (Status.FAILED, Status.ERROR, Status.PASSED, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class TestDetail:
    """A test told at length; a text is None that did not fit into the page any more."""

    __test__ = False

    test: ClosedTest
    anchor: str
    error: str | None
    output: str | None
    artifacts: Some[ShownArtifact]


@dataclass(frozen=True, slots=True)
class TestRow:
    """A test in the table; `started` (seconds since the run's start) is None where nobody knows it."""

    __test__ = False

    test: ClosedTest
    started: float | None
    anchor: str | None


@dataclass(frozen=True, slots=True)
class ToldTests:
    """The tests that a page tells of."""

    failures: Some[TestDetail]
    without_verdict: Some[ClosedTest]
    flaky: Some[ClosedTest]
    warned: Some[ClosedTest]
    unfinished: Some[TestPlanned]
    rows: Some[TestRow]


class Allowance:
    """The bytes of test output that one page may hold: first come, first served."""

    def __init__(self, left: int = _PAGE_TEXT_BYTES) -> None:
        self._left = left

    def take(self, text: str) -> str | None:
        """`text` safe to show, its middle left out where it is very long; None where there is no room for it."""
        shown = "\n".join(safe_lines(_without_middle(text)))
        size = len(escape(shown).encode())
        if size > self._left:
            return None
        self._left -= size
        return shown


def tell_tests(run: RunDigest, left: ShownArtifacts | None = None) -> ToldTests:
    """Everything a page shows of the tests of a run, bounded in number and in bytes."""
    allowance, left = Allowance(), left or ShownArtifacts(run)
    details = [
        _detail(one, f"t{number}", allowance, left.of(one.key))
        for number, one in enumerate(run.failures[:_DETAILED], 1)
    ]
    anchors = {detail.test.key: detail.anchor for detail in details}
    began = run.record.started.started_at if run.record.started else 0.0
    shown = _choose_rows(run)
    return ToldTests(
        failures=Some(details, len(run.failures) - len(details)),
        without_verdict=Some.of(run.without_verdict, _LISTED),
        flaky=Some.of(run.flaky, _LISTED),
        warned=Some.of([one for one in run.judged if not one.is_bad and one.warnings], _LISTED),
        unfinished=Some.of(run.unfinished, _LISTED),
        rows=Some(
            [TestRow(one, _started(one, began), anchors.get(one.key)) for one in shown], len(run.judged) - len(shown)
        ),
    )


def told_at_length(record: RunRecord) -> list[tuple[str, str]]:
    """The tests of which a page tells what their attempts said: a record may leave that out of all others."""
    run = RunDigest(record)
    return [one.key for one in (*run.failures[:_DETAILED], *run.flaky[:_LISTED], *run.without_verdict[:_LISTED])]


def _choose_rows(run: RunDigest) -> list[ClosedTest]:
    """All tests with a verdict, worst and slowest first; of very many only what went wrong and the slowest."""
    chosen: Iterable[ClosedTest] = run.judged  # how many were not run stands among the counts
    if len(run.judged) > _ALL_ROWS:
        bad = [*run.failures, *run.without_verdict][:_BAD_ROWS]
        slowest = sorted(run.judged, key=lambda one: -_seconds(one))[:_SLOWEST_ROWS]
        chosen = {one.key: one for one in [*bad, *slowest]}.values()
    return sorted(chosen, key=lambda one: (_WORST_FIRST.index(one.closed.status), -_seconds(one)))


def _seconds(test: ClosedTest) -> float:
    return test.last.duration if test.last else -1.0


def _started(test: ClosedTest, began: float) -> float | None:
    last = test.last
    return max(last.started_at - began, 0.0) if last and last.started_at > 0 and began > 0 else None


def _detail(test: ClosedTest, anchor: str, allowance: Allowance, left: Some[ShownArtifact]) -> TestDetail:
    error, output = test.error, test.last.output.strip() if test.last else ""
    return TestDetail(test, anchor, allowance.take(error), allowance.take("" if output in error else output), left)


def _without_middle(text: str) -> str:
    """The first third and the last two thirds of what may be shown of a very long text."""
    if len(text) <= _TEXT_CHARACTERS:
        return text
    head = _TEXT_CHARACTERS // 3
    tail = _TEXT_CHARACTERS - head
    return f"{text[:head]}\n… {len(text) - head - tail} characters left out …\n{text[-tail:]}"
