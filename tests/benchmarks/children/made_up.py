"""Results as a run of many tests has them, made up: standard library alone, so that any interpreter can read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class MadeUp:
    """What is told of one test that passed, or did not."""

    test_id: str
    name: str
    node_id: str
    status: str
    reason: str | None
    error: str | None
    started_at: float
    duration: float
    metrics: dict[str, float]
    task_run: str


def make_results(count: int) -> Iterator[MadeUp]:
    """Always the same; one test in a hundred fails."""
    for number in range(count):
        failed = number % 100 == 99
        duration = 0.01 + number % 977 / 1000
        yield MadeUp(
            test_id=f"shop/tests/test_module_{number % 500}.py::test_case_{number}",
            name=f"test_case_{number}",
            node_id=f"node{number % 20}",
            status="failed" if failed else "passed",
            reason="assertion" if failed else None,
            error=f"assert {number} == {number + 1}" if failed else None,
            started_at=1.8e9 + number / 1000,
            duration=duration,
            metrics={
                "duration": duration,
                "response_time": duration / 2,
                "memory_usage": 20.0 + number % 13,
                "cpu_usage": 50.0 + number % 47,
            },
            task_run=f"00000000-0000-4000-8000-{number:012d}",
        )
