"""Results that are added one by one, and what is asked of them."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.results.added_results import BATCH_ROWS, AddedResult, AddedResults
from pulseq.results.database import MEMORY_BYTES

ONE = AddedResult("test1", "node1", "passed", 1.0, 1_700_000_000_000_000, None, 1, None, "", False, False, None)
ZEROS = {
    "total_tests": 0,
    "passed": 0,
    "failed": 0,
    "errors": 0,
    "skipped": 0,
    "pass_rate": 0.0,
    "total_duration": 0.0,
    "avg_duration": 0.0,
}


def collect(*results: AddedResult) -> AddedResults:
    added = AddedResults()
    for result in results:
        added.add(result)
    return added


def test_no_results_are_zeros() -> None:
    empty = AddedResults()

    assert (ZEROS, ZEROS, {}, []) == (empty.summary(), empty.summary("node1"), empty.metrics(), empty.all())


def test_results_come_back_as_they_were_added_in_their_order() -> None:
    results = [
        replace(ONE, metrics={"a": 1.5, "b": -2.0}, warnings=("slow", "leaky")),
        replace(ONE, test_id="ü\x00\U0001f600", status="error", reason="crash", error="it\nbroke", run_id="r1"),
        ONE,
    ]

    assert results == collect(*results).all()


def test_a_summary_counts_by_status() -> None:
    statuses = ["passed", "passed", "passed", "failed", "error", "skipped", "skipped", "skipped"]
    added = collect(*(replace(ONE, status=status, duration=2.0) for status in statuses))

    expected = {"total_tests": 8, "passed": 3, "failed": 1, "errors": 1, "skipped": 3}
    assert {**expected, "pass_rate": 37.5, "total_duration": 16.0, "avg_duration": 2.0} == added.summary()


def test_a_node_s_summary_counts_its_results_alone() -> None:
    added = collect(ONE, replace(ONE, node_id="node2", status="failed"))

    assert 100.0 == added.summary("node1")["pass_rate"]
    assert 1 == added.summary("node2")["failed"]
    assert ZEROS == added.summary("node3")


def test_metrics_are_summarised_by_name() -> None:
    added = collect(*(replace(ONE, metrics={"size": float(value)}) for value in range(101)))

    expected = {"min": 0.0, "max": 100.0, "avg": 50.0, "count": 101, "p50": 50.0, "p95": 95.0}
    assert {"size": expected} == added.metrics()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_a_summary_agrees_with_plain_arithmetic(durations: list[float]) -> None:
    summary = collect(*(replace(ONE, duration=one) for one in durations)).summary()

    assert summary["total_duration"] == pytest.approx(math.fsum(durations))
    assert summary["avg_duration"] == pytest.approx(math.fsum(durations) / len(durations))


def test_results_beyond_a_batch_are_all_there() -> None:
    added = collect(*(replace(ONE, test_id=str(number)) for number in range(2 * BATCH_ROWS + 1)))

    assert [str(number) for number in range(2 * BATCH_ROWS + 1)] == [result.test_id for result in added.all()]


#: In a process of its own: what other tests have left in this one is no measure.
MANY = """
import psutil
from dataclasses import replace
from pulseq.results.added_results import AddedResult, AddedResults

one = AddedResult("test1", "node1", "passed", 1.0, 1_700_000_000_000_000, None, 1, None, "", False, False, None)
process, added = psutil.Process(), AddedResults()
added.add(one)
before = process.memory_info().rss
for number in range(200_000):
    added.add(replace(one, test_id=f"a test with a long name, number {number}", metrics={"size": number / 7}))
print(added.summary()["total_tests"], process.memory_info().rss - before)
added.close()
"""


@pytest.mark.processes
def test_memory_stays_bounded_however_many_results_there_are() -> None:
    told = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True).stdout
    count, grown = map(int, told.split())

    assert 200_001 == count
    assert grown < MEMORY_BYTES


def test_after_closing_nothing_is_left() -> None:
    added = collect(ONE)
    added.close()
    added.close()

    assert (0, []) == (len(added), added.all())
