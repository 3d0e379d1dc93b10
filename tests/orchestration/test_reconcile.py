"""What a task run is to be told to have ended in; a real API is told in tests/system/test_prefect_sync."""

from __future__ import annotations

import pytest

from pulseq.models import AttemptResult, Reason, Status
from pulseq.orchestration.reconcile import state_told_by
from pulseq.results.flow_runs import TaskRunStory


def _result(status: Status, reason: Reason | None = None) -> AttemptResult:
    return AttemptResult("a", 1, "n", status, reason=reason)


@pytest.mark.parametrize(
    ("result", "name", "type_"),
    [
        (_result(Status.PASSED), "Passed", "COMPLETED"),
        (_result(Status.SKIPPED, Reason.SKIP), "Skipped", "COMPLETED"),
        (_result(Status.FAILED, Reason.ASSERTION), "Failed", "FAILED"),
        (_result(Status.ERROR, Reason.TIMEOUT), "TimedOut", "FAILED"),
        (_result(Status.ERROR, Reason.CANCELLED), "Cancelled", "CANCELLED"),
        (_result(Status.ERROR, Reason.NODE_LOST), "NodeLost", "CRASHED"),
        (None, "Crashed", "CRASHED"),
    ],
)
def test_the_state_is_the_one_that_the_node_would_have_told(
    result: AttemptResult | None, name: str, type_: str
) -> None:
    state = state_told_by(TaskRunStory("t", {("a", ""): result}))

    assert (name, type_) == (state.name, state.type.value)


def test_a_test_that_passed_after_a_failure_is_flaky() -> None:
    assert "Flaky" == state_told_by(TaskRunStory("t", {("a", ""): _result(Status.PASSED)}, retried=True)).name
