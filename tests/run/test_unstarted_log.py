"""Which tests get a task run though they had no attempt."""

from __future__ import annotations

import pytest

from pulseq.events import TestClosed
from pulseq.models import Priority, Reason, SimulateBody, Status, TestCase
from pulseq.run.unstarted_log import UnstartedLog
from tests.run.told import Told

CASES = [
    TestCase(name, SimulateBody(), variant="chrome", priority=Priority.HIGH, labels={"smoke": True})
    for name in ("cart", "desk", "till", "shop")
]


def _closed(
    reason: Reason | None, *, attempts: int = 0, status: Status = Status.ERROR, test: str = "cart"
) -> TestClosed:
    return TestClosed(test, "chrome", status, reason, False, attempts, error="no node\nfits")


@pytest.fixture
def log() -> UnstartedLog:
    ledger = Told().ledger()
    for case in CASES:
        ledger.plan(case)
    return UnstartedLog(ledger, most=3)


def test_one_that_no_node_fits_is_told_once_with_its_reason(log: UnstartedLog) -> None:
    log.handle(_closed(Reason.UNSATISFIABLE))

    (told,) = log.take()
    assert ("cart (chrome) @ no node, high, smoke", Reason.UNSATISFIABLE) == (told.name, told.reason)
    assert "no node" in told.why
    assert [] == log.take()
    assert 0 == log.told  # until Prefect has taken it


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
def test_no_other_is_told(log: UnstartedLog, closed: TestClosed) -> None:
    log.handle(closed)

    assert [] == log.take()


def test_of_many_the_first_ones_are_told_and_each_once(log: UnstartedLog) -> None:
    for test in ("cart", "cart", "desk"):
        log.handle(_closed(Reason.UNSATISFIABLE, test=test))
    first = log.take()
    for test in ("cart", "till", "shop"):
        log.handle(_closed(Reason.UNSATISFIABLE, test=test))

    assert (2, 1) == (len(first), len(log.take()))
    assert log.task_runs["cart", "chrome"] == first[0].id
