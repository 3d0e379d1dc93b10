"""The documented aggregator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pulseq.distributed.results_aggregator import ResultsAggregator, TestResult
from pulseq.ownership import default_home
from pulseq.results.database import Database

RESULT = TestResult(
    test_id="test1",
    node_id="node1",
    status="passed",
    duration=1.0,
    timestamp=datetime(2026, 1, 2, tzinfo=UTC),
    metrics={"response_time": 0.5, "memory_usage": 100, "cpu_usage": 30, "network_latency": 50},
)
PERSISTING = {"result_aggregation": {"enabled": True, "interval": 5, "persist_results": True}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    return default_home()


@pytest.fixture
def aggregator() -> Iterator[ResultsAggregator]:
    aggregator = ResultsAggregator()
    yield aggregator
    aggregator.close()


@pytest.fixture
def local_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_documented_metrics_are_analysed(aggregator: ResultsAggregator) -> None:
    aggregator.add_result(RESULT)
    metrics = aggregator.get_metrics_summary()

    assert 0.5 == metrics["response_time"]["avg"]
    assert 100.0 == metrics["memory_usage"]["max"]


def test_results_come_back(aggregator: ResultsAggregator) -> None:
    aggregator.add_result(RESULT)

    assert [RESULT] == aggregator.get_results()


def test_a_node_is_summarised(aggregator: ResultsAggregator) -> None:
    aggregator.add_result(RESULT)
    aggregator.add_result(replace(RESULT, node_id="node2", status="failed"))

    assert ("node2", 1, 0.0) == tuple(
        aggregator.get_node_summary("node2")[key] for key in ("node_id", "failed", "pass_rate")
    )
    assert 50.0 == aggregator.get_summary()["pass_rate"]


def test_no_results_are_zeros(aggregator: ResultsAggregator) -> None:
    assert {0} == set(aggregator.get_summary().values())
    assert {} == aggregator.get_metrics_summary()
    assert 0 == aggregator.get_node_summary("node1")["total_tests"]


def test_a_naive_timestamp_is_local_time(aggregator: ResultsAggregator, local_time: None) -> None:
    aggregator.add_result(replace(RESULT, timestamp=datetime(2026, 1, 2, 9, 0, 0, 123456)))

    assert datetime(2026, 1, 2, 0, 0, 0, 123456, UTC) == aggregator.get_results()[0].timestamp


def test_an_aware_timestamp_is_kept_in_utc(aggregator: ResultsAggregator) -> None:
    there = timezone(timedelta(hours=-3))
    aggregator.add_result(replace(RESULT, timestamp=datetime(2026, 1, 2, 9, tzinfo=there)))

    assert datetime(2026, 1, 2, 12, tzinfo=UTC).isoformat() == aggregator.get_results()[0].timestamp.isoformat()


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "fast", None])
def test_a_metric_that_is_no_number_is_refused_and_nothing_is_added(aggregator: ResultsAggregator, value: Any) -> None:
    with pytest.raises(ValueError, match=r"metrics\.speed: found .*, expected a finite number"):
        aggregator.add_result(replace(RESULT, metrics={"speed": value}))

    assert 0 == aggregator.get_summary()["total_tests"]


def test_nothing_is_written_where_nothing_is_to_persist(aggregator: ResultsAggregator, home: Path) -> None:
    aggregator.add_result(RESULT)

    assert not home.exists()


def test_results_to_persist_are_a_run_in_the_database(home: Path) -> None:
    aggregator = ResultsAggregator(config=PERSISTING)
    aggregator.add_result(RESULT)
    aggregator.add_result(replace(RESULT, test_id="test2", status="failed", reason="assertion", error="no"))
    aggregator.close()

    with Database(home / "results.duckdb").read() as connection:
        told = connection.execute("SELECT suite, total_tests, passed, failed FROM run_summary").fetchall()
    assert told == [("added results", 2, 1, 1)]


def test_results_that_are_not_to_persist_stay_here(home: Path) -> None:
    aggregator = ResultsAggregator(config={"result_aggregation": {"persist_results": False}})
    aggregator.add_result(RESULT)
    aggregator.close()

    assert not home.exists()


def test_a_configuration_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match=r"framework: result_aggregation\.interval: found 0, expected"):
        ResultsAggregator(config={"result_aggregation": {"interval": 0}})
