"""The tests of a run as the HTML page shows them: values made safe, and cut to what one page can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Generic, TypeVar

from pulseq.models import AttemptResult, Status
from pulseq.records import RunRecord, TestRecord
from pulseq.reports.pytest_words import say_subtests
from pulseq.reports.text import gist, safe_line, safe_lines
from pulseq.reports.timeline import kind_of
from pulseq.reports.verdicts import (
    Verdict,
    error_of,
    gist_of,
    judged,
    kept_from_verdict,
    own_failures,
    say_circumstances,
    verdicts_of,
)
from pulseq.reports.wording import say_clock, say_seconds, say_test, say_verdict

T = TypeVar("T")
S = TypeVar("S")

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
_BAD = (Status.FAILED, Status.ERROR)
_WORST_FIRST = (Status.FAILED, Status.ERROR, Status.PASSED, Status.SKIPPED)


@dataclass(frozen=True)
class Some(Generic[T]):
    """The first of many, and how many more there are."""

    items: Sequence[T]
    more: int = 0


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
    attempts: Some[AttemptLine] = Some(())


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


def tell_tests(record: RunRecord) -> ToldTests:
    """Everything a page shows of the tests of a run, bounded in number and in bytes."""
    verdicts = judged(verdicts_of(record))  # how many were not run stands among the counts
    bad, lost = own_failures(verdicts), kept_from_verdict(verdicts)
    allowance = Allowance()
    details = [_detail(one, f"t{number}", allowance) for number, one in enumerate(bad[:_DETAILED], 1)]
    anchors = {_key(one): detail.anchor for one, detail in zip(bad, details, strict=False)}
    began = record.started.started_at if record.started else 0.0
    shown = _choose_rows(verdicts, [*bad, *lost])
    unfinished = [test.planned for test in record.tests.values() if not test.closed]
    return ToldTests(
        failures=Some(details, len(bad) - len(details)),
        without_verdict=_some(lost, lambda one: _line(one, _gist(error_of(*one), 2))),
        flaky=_some([one for one in verdicts if one[1].flaky], _flaky_line),
        warned=_some([one for one in verdicts if one[1].status not in _BAD and _warnings(one[0])], _warned_line),
        unfinished=_some(unfinished, lambda planned: say_test(planned.test_id, planned.variant, _NAME_CHARACTERS)),
        rows=Some([_row(one, anchors, began) for one in shown], len(verdicts) - len(shown)),
    )


def told_at_length(record: RunRecord) -> list[tuple[str, str]]:
    """The tests of which a page tells what their attempts said: a record may leave that out of all others."""
    verdicts = judged(verdicts_of(record))
    flaky = [one for one in verdicts if one[1].flaky]
    lost = kept_from_verdict(verdicts)
    return [_key(one) for one in (*own_failures(verdicts)[:_DETAILED], *flaky[:_LISTED], *lost[:_LISTED])]


def _some(found: Sequence[S], tell: Callable[[S], T]) -> Some[T]:
    return Some([tell(one) for one in found[:_LISTED]], max(len(found) - _LISTED, 0))


def _choose_rows(verdicts: Sequence[Verdict], bad: Sequence[Verdict]) -> list[Verdict]:
    """All tests, worst and slowest first; of very many only what went wrong and the slowest."""
    chosen: Iterable[Verdict] = verdicts
    if len(verdicts) > _ALL_ROWS:
        slowest = sorted(verdicts, key=lambda one: -_seconds(one[0]))[:_SLOWEST_ROWS]
        chosen = {_key(one): one for one in [*bad[:_BAD_ROWS], *slowest]}.values()
    return sorted(chosen, key=lambda one: (_WORST_FIRST.index(one[1].status), -_seconds(one[0])))


def _key(verdict: Verdict) -> tuple[str, str]:
    return verdict[1].test_id, verdict[1].variant


def _seconds(test: TestRecord) -> float:
    return test.last.duration if test.last else -1.0


def _line(verdict: Verdict, said: str, attempts: Some[AttemptLine] | None = None) -> TestLine:
    _, closed = verdict
    name = say_test(closed.test_id, closed.variant, _NAME_CHARACTERS)
    return TestLine(closed.status.value, say_verdict(closed), name, said, attempts or Some(()))


def _flaky_line(verdict: Verdict) -> TestLine:
    said = f"passed on attempt {verdict[1].attempts}"
    return _line(verdict, said, _attempts(verdict[0]))


def _warned_line(verdict: Verdict) -> TestLine:
    return _line(verdict, "; ".join(_warnings(verdict[0])))


def _warnings(test: TestRecord) -> list[str]:
    return [safe_line(warning) for warning in (test.last.warnings if test.last else ())[:_WARNINGS]]


def _attempts(test: TestRecord) -> Some[AttemptLine]:
    results = [result for _, result in sorted(test.attempts.items())]
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


def _detail(verdict: Verdict, anchor: str, allowance: Allowance) -> TestDetail:
    test, closed = verdict
    error, last = error_of(test, closed), test.last
    output = last.output.strip() if last else ""
    shown_error = allowance.take(error)
    shown_output = allowance.take("" if output in error else output)
    several = _attempts(test) if len(test.attempts) > 1 else None
    return TestDetail(
        anchor,
        _line(verdict, gist_of(test, closed, 300), several),
        say_circumstances(test, closed),
        shown_error or "",
        shown_output or "",
        last.output_bytes if last else 0,
        shown_error is None or shown_output is None,
        _warnings(test),
        [(safe_line(name, 80), f"{value:g}") for name, value in list(last.metrics.items())[:_METRICS]] if last else [],
    )


def _row(verdict: Verdict, anchors: Mapping[tuple[str, str], str], began: float) -> TestRow:
    test, closed = verdict
    last = test.last
    started = last.started_at - began if last and last.started_at > 0 and began > 0 else None
    return TestRow(
        _line(verdict, _told_besides(test)),
        safe_line(closed.node_id or "", 80),
        closed.attempts,
        last.duration if last else None,
        None if started is None else max(started, 0.0),
        anchors.get(_key(verdict)),
    )


def _told_besides(test: TestRecord) -> str:
    """What pytest tells of a test beside its verdict."""
    reason = test.xpassed
    told = [] if reason is None else [safe_line(f"xpassed: {reason}" if reason else "xpassed")]
    return " · ".join(filter(None, [*told, say_subtests(test)]))


def _gist(error: str, count: int) -> str:
    return " · ".join(line.strip() for line in gist(error, count, 300))


def _without_middle(text: str) -> str:
    """The first third and the last two thirds of what may be shown of a very long text."""
    if len(text) <= _TEXT_CHARACTERS:
        return text
    head = _TEXT_CHARACTERS // 3
    tail = _TEXT_CHARACTERS - head
    return f"{text[:head]}\n… {len(text) - head - tail} characters left out …\n{text[-tail:]}"
