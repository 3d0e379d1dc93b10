"""Results as the Python API has them: what is refused, and how runs become results."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pulseq.distributed.test_result import TestResult, TestResults, check_result, fold_results, result_of
from pulseq.events import TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import TestRecord

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PASSED = TestResult("test1", "node1", "passed", 1.0, NOW, {"size": 1.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": {"size": float("nan")}}, "metrics.size: found nan, expected a finite number"),
        ({"metrics": {"size": float("inf")}}, "metrics.size: found inf, expected a finite number"),
        ({"metrics": {"size": "1"}}, "metrics.size: found '1', expected a finite number"),
        ({"metrics": {"size": True}}, "metrics.size: found True, expected a finite number"),
        ({"metrics": {7: 1.0}}, "a metric's name: found 7, expected text"),
        ({"metrics": ["size"]}, "metrics: found ['size'], expected names with numbers"),
        ({"status": "pased"}, "status: found 'pased', expected one of passed, failed, error, skipped; did you mean"),
        ({"reason": "because"}, "reason: found 'because', expected one of assertion, exit_code"),
        ({"duration": -1.0}, "duration: found -1.0, expected a finite number, 0 or more"),
        ({"duration": "1"}, "duration: found '1', expected a finite number, 0 or more"),
        ({"timestamp": 1.0}, "timestamp: found 1.0, expected a datetime"),
        ({"attempts": -1}, "attempts: found -1, expected a whole number, 0 or more"),
        ({"node_id": None}, "node_id: found None, expected text"),
        ({"error": 7}, "error: found 7, expected text"),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        check_result(replace(PASSED, **changes))

    assert f"result of 'test1': {message}" in str(refusal.value)


def test_a_result_without_a_test_is_refused() -> None:
    with pytest.raises(ValueError, match="test_id: found '', expected text"):
        check_result(replace(PASSED, test_id=""))


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(ValueError, match="found a dict, expected a TestResult"):
        check_result({"test_id": "test1"})  # type: ignore[arg-type]


def test_a_list_of_results_has_a_summary() -> None:
    results = TestResults([PASSED, replace(PASSED, status=Status.ERROR, duration=2.0)])

    expected = {"total_tests": 2, "passed": 1, "failed": 0, "errors": 1, "skipped": 0}
    assert {**expected, "pass_rate": 50.0, "total_duration": 3.0, "avg_duration": 1.5} == results.get_summary()


def test_no_results_are_zeros() -> None:
    assert {0} == set(TestResults().get_summary().values())


def test_a_verdict_becomes_a_result() -> None:
    record = TestRecord(TestPlanned("test1", "", "api", "simulate", "high"))
    record.take(AttemptResult("test1", 1, "node1", Status.FAILED, reason=Reason.ASSERTION, started_at=1.0))
    record.take(
        AttemptResult(
            "test1", 2, "node2", Status.PASSED, started_at=2.0, duration=0.5, metrics={"a": 1.0}, simulated=True
        )
    )
    record.closed = TestClosed("test1", "", Status.PASSED, None, True, 2, "node2")

    expected = TestResult(
        "test1",
        "node2",
        Status.PASSED,
        0.5,
        datetime.fromtimestamp(2.0, UTC),
        {"a": 1.0},
        attempts=2,
        name="api",
        simulated=True,
        flaky=True,
        run_id="r1",
    )
    assert expected == result_of(record, "r1", now=NOW)


def test_a_test_that_never_began_has_the_words_of_its_verdict() -> None:
    record = TestRecord(TestPlanned("test1", "", "api", "simulate", "high"))
    record.closed = TestClosed("test1", "", Status.ERROR, Reason.UNSATISFIABLE, False, 0, None, "no node fits")

    expected = TestResult("test1", "", "error", 0.0, NOW, {}, "no node fits", 0, "unsatisfiable", "api", run_id="r1")
    assert expected == result_of(record, "r1", now=NOW)


def test_many_results_fold_into_the_worst() -> None:
    bad = replace(PASSED, test_id="b", status="failed", reason="assertion", error="1 != 2")
    folded = fold_results("entry", TestResults([PASSED, bad]), now=NOW)

    assert ("entry", "failed", 2.0) == (folded.test_id, folded.status, folded.duration)
    assert "1 of 2 tests did not pass; b: 1 != 2" == folded.error


def test_an_entry_that_holds_no_test_is_skipped() -> None:
    assert "skipped" == fold_results("entry", TestResults(), now=NOW).status
