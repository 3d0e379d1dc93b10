"""Which tests get a task run though they had no attempt."""

from __future__ import annotations

import pytest

from pulseq.events import TestClosed
from pulseq.models import Priority, Reason, SimulateBody, Status, TestCase
from pulseq.orchestration.delivery import Delivery
from pulseq.protocol.from_node import TaskRunState
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


class Kept(Delivery):
    """Keeps what it is to tell."""

    def __init__(self) -> None:
        super().__init__()
        self.put_in: list[TaskRunState] = []

    def put(self, state: TaskRunState) -> None:
        self.put_in.append(state)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def log(kept: Kept) -> UnstartedLog:
    ledger = Told().ledger()
    for case in CASES:
        ledger.plan(case)
    return UnstartedLog(ledger, kept, most=3)


def test_one_that_no_node_fits_is_told_once_with_its_reason(log: UnstartedLog, kept: Kept) -> None:
    log.handle(_closed(Reason.UNSATISFIABLE))
    log.handle(_closed(Reason.UNSATISFIABLE))

    (told,) = kept.put_in
    assert ("cart (chrome) @ no node, high, smoke", "FAILED", "Unsatisfiable") == (
        told.name,
        told.state_type,
        told.state,
    )
    assert "no node" in told.message


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
def test_no_other_is_told(log: UnstartedLog, kept: Kept, closed: TestClosed) -> None:
    log.handle(closed)

    assert [] == kept.put_in


def test_of_many_the_first_ones_are_told_and_each_once(log: UnstartedLog, kept: Kept) -> None:
    for test in ("cart", "cart", "desk", "cart", "till", "shop"):
        log.handle(_closed(Reason.UNSATISFIABLE, test=test))

    assert ["cart", "desk", "till"] == [told.name.partition(" ")[0] for told in kept.put_in]
    assert log.task_runs["cart", "chrome"] == str(kept.put_in[0].id)
