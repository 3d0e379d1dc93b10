"""The tests of a run as the HTML page shows them: values made safe, and cut to what one page can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pulseq.models import AttemptResult, Status
from pulseq.records import RunRecord
from pulseq.reports.html_artifacts import ShownArtifact, ShownArtifacts
from pulseq.reports.run_digest import RunDigest
from pulseq.reports.some import NONE, Some
from pulseq.reports.timeline import kind_of
from pulseq.reports.verdicts import ClosedTest
from pulseq.reports.wording import say_clock, say_seconds, say_test
from pulseq.safe_text import gist, safe_line, safe_lines

_ALL_ROWS = 5000
_SLOWEST_ROWS = 1000
_BAD_ROWS = 2000
_DETAILED = 300
_LISTED = 200
_ATTEMPTS = 20
_METRICS = 40
_WARNINGS = 10
_NAME_CHARACTERS = 160
_PAGE_TEXT_BYTES = 600_000
_TEXT_CHARACTERS = 24_000
_WORST_FIRST = (Status.FAILED, Status.ERROR, Status.PASSED, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One attempt of a test that had several."""

    number: int
    kind: str
    verdict: str
    node: str
    lasted: str
    said: str


@dataclass(frozen=True, slots=True)
class TestLine:
    """A test in a list: its verdict, its name, a sentence on it, and its attempts where they are the point."""

    __test__ = False

    kind: str
    verdict: str
    name: str
    said: str
    attempts: Some[AttemptLine] = NONE


@dataclass(frozen=True, slots=True)
class TestDetail:
    """A test told at length; `left_out` says that its texts did not fit into the page any more."""

    __test__ = False

    anchor: str
    line: TestLine
    circumstances: str
    error: str
    output: str
    output_bytes: int
    left_out: bool
    warnings: Sequence[str]
    metrics: Sequence[tuple[str, str]]
    artifacts: Some[ShownArtifact]


@dataclass(frozen=True, slots=True)
class TestRow:
    """A test in the table; `duration` and `started` (seconds since the run's start) are None where it never ran."""

    __test__ = False

    line: TestLine
    node: str
    attempts: int
    duration: float | None
    started: float | None
    anchor: str | None

    @property
    def lasted(self) -> str:
        return "" if self.duration is None else say_seconds(self.duration)

    @property
    def began(self) -> str:
        return "" if self.started is None else say_clock(self.started)


@dataclass(frozen=True, slots=True)
class ToldTests:
    """All that a page says of tests."""

    failures: Some[TestDetail]
    without_verdict: Some[TestLine]
    flaky: Some[TestLine]
    warned: Some[TestLine]
    unfinished: Some[str]
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
    anchors = {one.key: detail.anchor for one, detail in zip(run.failures, details, strict=False)}
    began = run.record.started.started_at if run.record.started else 0.0
    shown = _choose_rows(run)
    warned = [one for one in run.judged if not one.is_bad and one.warnings]
    return ToldTests(
        failures=Some(details, len(run.failures) - len(details)),
        without_verdict=Some.of(run.without_verdict, _LISTED, lambda one: _line(one, _gist(one.error, 2))),
        flaky=Some.of(run.flaky, _LISTED, _flaky_line),
        warned=Some.of(warned, _LISTED, lambda one: _line(one, "; ".join(one.warnings[:_WARNINGS]))),
        unfinished=Some.of(
            run.unfinished, _LISTED, lambda planned: say_test(planned.test_id, planned.variant, _NAME_CHARACTERS)
        ),
        rows=Some([_row(one, anchors, began) for one in shown], len(run.judged) - len(shown)),
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


def _line(test: ClosedTest, said: str, attempts: Some[AttemptLine] = NONE) -> TestLine:
    return TestLine(test.closed.status.value, test.verdict, say_test(*test.key, _NAME_CHARACTERS), said, attempts)


def _flaky_line(test: ClosedTest) -> TestLine:
    return _line(test, f"passed on attempt {test.closed.attempts}", _attempts(test))


def _attempts(test: ClosedTest) -> Some[AttemptLine]:
    results = [result for _, result in sorted(test.record.attempts.items())]
    return Some([_attempt(result) for result in results[-_ATTEMPTS:]], max(len(results) - _ATTEMPTS, 0))


def _attempt(result: AttemptResult) -> AttemptLine:
    why = f" ({result.reason.value})" if result.reason else ""
    return AttemptLine(
        result.attempt,
        kind_of(result),
        f"{result.status.value}{why}",
        safe_line(result.node_id),
        say_seconds(result.duration),
        _gist(result.error or "", 1),
    )


def _detail(test: ClosedTest, anchor: str, allowance: Allowance, left: Some[ShownArtifact]) -> TestDetail:
    error, last = test.error, test.last
    output = last.output.strip() if last else ""
    shown_error = allowance.take(error)
    shown_output = allowance.take("" if output in error else output)
    metrics = list(last.metrics.items())[:_METRICS] if last else []
    return TestDetail(
        anchor,
        _line(test, test.gist(300), _attempts(test) if len(test.record.attempts) > 1 else Some(())),
        test.circumstances,
        shown_error or "",
        shown_output or "",
        last.output_bytes if last else 0,
        shown_error is None or shown_output is None,
        test.warnings[:_WARNINGS],
        [(safe_line(name, 80), f"{value:g}") for name, value in metrics],
        left,
    )


def _row(test: ClosedTest, anchors: Mapping[tuple[str, str], str], began: float) -> TestRow:
    last = test.last
    known = last is not None and last.started_at > 0 and began > 0
    return TestRow(
        _line(test, _told_besides(test)),
        safe_line(test.closed.node_id or "", 80),
        test.closed.attempts,
        last.duration if last else None,
        max(last.started_at - began, 0.0) if last and known else None,
        anchors.get(test.key),
    )


def _told_besides(test: ClosedTest) -> str:
    """What pytest tells of a test beside its verdict."""
    reason = test.record.xpassed
    told = [] if reason is None else [safe_line(f"xpassed: {reason}" if reason else "xpassed")]
    return " · ".join(filter(None, [*told, test.said_of_subtests]))


def _gist(error: str, count: int) -> str:
    return " · ".join(line.strip() for line in gist(error, count, 300))


def _without_middle(text: str) -> str:
    """The first third and the last two thirds of what may be shown of a very long text."""
    if len(text) <= _TEXT_CHARACTERS:
        return text
    head = _TEXT_CHARACTERS // 3
    tail = _TEXT_CHARACTERS - head
    return f"{text[:head]}\n… {len(text) - head - tail} characters left out …\n{text[-tail:]}"
