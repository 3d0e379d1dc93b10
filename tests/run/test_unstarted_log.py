"""Which tests get a task run though they had no attempt."""

from __future__ import annotations

import pytest

from pulseq.events import TestClosed
from pulseq.models import Priority, Reason, SimulateBody, Status, TestCase
from pulseq.protocol.from_node import TaskRunState
from pulseq.run.ledger import Ledger
from pulseq.run.unstarted_log import UnstartedLog

CASES = [
    TestCase(name, SimulateBody(), variant="chrome", priority=Priority.HIGH, labels={"smoke": True})
    for name in ("cart", "desk", "till", "shop")
]


def _closed(
    reason: Reason | None, *, attempts: int = 0, status: Status = Status.ERROR, test: str = "cart"
) -> TestClosed:
    return TestClosed(test, "chrome", status, reason, False, attempts, error="no node\nfits")


@pytest.fixture
def told() -> list[TaskRunState]:
    return []


@pytest.fixture
def log(told: list[TaskRunState]) -> UnstartedLog:
    ledger = Ledger()
    for case in CASES:
        ledger.plan(case)
    return UnstartedLog(ledger, told.append, most=3)


def test_one_that_no_node_fits_is_told_with_its_reason(log: UnstartedLog, told: list[TaskRunState]) -> None:
    log.handle(_closed(Reason.UNSATISFIABLE))

    (state,) = told
    assert ("cart (chrome) @ no node, high, smoke", "FAILED", "Unsatisfiable") == (
        state.name,
        state.state_type,
        state.state,
    )
    assert "no node" in state.message
    assert state.at >= (state.started_at or 0.0) == state.ended_at


@pytest.mark.parametrize(
    "closed",
    [
        _closed(Reason.CANCELLED),
        _closed(Reason.UNSATISFIABLE, attempts=1),
        _closed(None, status=Status.PASSED),
        _closed(Reason.SKIP, status=Status.SKIPPED),
        _closed(Reason.INTERNAL, test="unknown"),
    ],
    ids=["stopped", "had-an-attempt", "passed", "skipped", "not-planned"],
)
def test_no_other_is_told(log: UnstartedLog, told: list[TaskRunState], closed: TestClosed) -> None:
    log.handle(closed)

    assert [] == told


def test_of_many_the_first_ones_are_told_and_each_once(log: UnstartedLog, told: list[TaskRunState]) -> None:
    for test in ("cart", "cart", "desk", "cart", "till", "shop"):
        log.handle(_closed(Reason.UNSATISFIABLE, test=test))

    assert ["cart", "desk", "till"] == [state.name.partition(" ")[0] for state in told]
    assert log.task_runs["cart", "chrome"] == str(told[0].id)
