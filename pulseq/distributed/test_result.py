"""A result as the Python API has it, and a list of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pulseq.errors import hint_at_nearest
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import TestRecord


@dataclass(frozen=True)
class TestResult:
    """What came of a test.

    Attributes:
        status: passed, failed, error or skipped.
        duration: seconds, of the attempt that decided.
        timestamp: when that attempt began; a naive one is local time.
        metrics: finite numbers by name; those of a test that ran have duration and response_time in
            seconds, memory_usage in MB, cpu_usage in percent of one core.
        error: why it is not passed; where several hundred tests of a run failed, the last lines of it.
        attempts: how many were made.
        reason: None for what passed, else the word for why it did not (`docs/reference/statuses.md`).
        simulated: whether it had no body of its own.
        flaky: whether it passed after an attempt that failed.
        run_id: the run that it is a row of; None for a result that was never run here.
    """

    __test__ = False

    test_id: str
    node_id: str
    status: str
    duration: float
    timestamp: datetime
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    attempts: int = 1
    reason: str | None = None
    name: str = ""
    simulated: bool = False
    flaky: bool = False
    warnings: tuple[str, ...] = ()
    run_id: str | None = None


class TestResults(list[TestResult]):
    """The results of a run, in the order of their verdicts."""

    __test__ = False

    def get_summary(self) -> dict[str, Any]:
        """All of them in numbers, with the keys of `ResultsAggregator.get_summary`; zeros for none."""
        counts = Counter(str(result.status) for result in self)
        seconds = math.fsum(result.duration for result in self)
        return {
            "total_tests": len(self),
            "passed": counts["passed"],
            "failed": counts["failed"],
            "errors": counts["error"],
            "skipped": counts["skipped"],
            "pass_rate": 100.0 * counts["passed"] / len(self) if self else 0.0,
            "total_duration": seconds,
            "avg_duration": seconds / len(self) if self else 0.0,
        }


def result_of(record: TestRecord, run_id: str, *, now: datetime) -> TestResult:
    """The result of a test that has its verdict; `now` is when it ended, for one that never began."""
    closed, last = record.closed, record.last or _NEVER_BEGAN
    assert closed is not None
    return TestResult(
        closed.test_id,
        closed.node_id or last.node_id,
        closed.status,
        last.duration,
        datetime.fromtimestamp(last.started_at, UTC) if last.started_at else now,
        dict(last.metrics),
        last.error or closed.error if closed.status is last.status else closed.error,
        closed.attempts,
        closed.reason,
        record.planned.name,
        last.simulated,
        closed.flaky,
        last.warnings,
        run_id,
    )


_NEVER_BEGAN = AttemptResult("", 0, "", Status.ERROR)


def fold_results(test_id: str, results: TestResults, *, now: datetime) -> TestResult:
    """One result for an entry that became many tests: the worst of them, with all of their seconds."""
    if not results:
        return TestResult(test_id, "", Status.SKIPPED, 0.0, now, reason=Reason.SKIP, error="it holds no test")
    worst = min(results, key=lambda result: _FROM_THE_WORST.index(result.status))
    bad = [result for result in results if result.status in (Status.FAILED, Status.ERROR)]
    error = f"{len(bad)} of {len(results)} tests did not pass; {worst.test_id}: {worst.error}" if bad else worst.error
    return TestResult(
        test_id,
        worst.node_id,
        worst.status,
        math.fsum(result.duration for result in results),
        min(result.timestamp for result in results),
        {},
        error,
        max(result.attempts for result in results),
        worst.reason,
        test_id,
        run_id=worst.run_id,
        flaky=any(result.flaky for result in results),
    )


_FROM_THE_WORST = (Status.ERROR, Status.FAILED, Status.PASSED, Status.SKIPPED)


def check_result(result: TestResult) -> TestResult:
    """The result as it can be kept: its status a `Status`, its time in UTC.

    Raises:
        ValueError: a value that cannot be kept; the text says what was found and what was expected.
    """
    if not isinstance(result, TestResult):
        raise ValueError(f"found a {type(result).__name__}, expected a TestResult")
    where = f"result of {result.test_id!r}"
    for name in ("test_id", "node_id", "name"):
        _check_text(where, name, getattr(result, name), empty=name != "test_id")
    for name in ("error", "run_id"):
        if getattr(result, name) is not None:
            _check_text(where, name, getattr(result, name))
    _check_number(where, "duration", result.duration, least=0.0)
    if isinstance(result.attempts, bool) or not isinstance(result.attempts, int) or result.attempts < 0:
        raise ValueError(f"{where}: attempts: found {result.attempts!r}, expected a whole number, 0 or more")
    if not isinstance(result.metrics, Mapping):
        raise ValueError(f"{where}: metrics: found {result.metrics!r}, expected names with numbers")
    for name, value in result.metrics.items():
        _check_text(where, "a metric's name", name)
        _check_number(where, f"metrics.{name}", value)
    if not isinstance(result.timestamp, datetime):
        raise ValueError(f"{where}: timestamp: found {result.timestamp!r}, expected a datetime")
    _check_word(where, "status", result.status, [str(status) for status in Status])
    if result.reason is not None:
        _check_word(where, "reason", result.reason, [str(reason) for reason in Reason])
    return result


def _check_text(where: str, name: str, value: object, *, empty: bool = True) -> None:
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{where}: {name}: found {value!r}, expected text")


def _check_number(where: str, name: str, value: object, *, least: float = -math.inf) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < least:  # type: ignore[arg-type, operator]
        expected = "a finite number" if least == -math.inf else f"a finite number, {least:g} or more"
        raise ValueError(f"{where}: {name}: found {value!r}, expected {expected}")


def _check_word(where: str, name: str, value: object, words: list[str]) -> None:
    if str(value) not in words:
        hint = hint_at_nearest(str(value), words)
        raise ValueError(f"{where}: {name}: found {value!r}, expected one of {', '.join(words)}{hint}")
