"""How long tests waited."""

from __future__ import annotations

from pulseq.models import AttemptResult, Status
from pulseq.run.queue_times import QueueTimes


def _result(attempt: int = 1, duration: float = 0.0) -> AttemptResult:
    return AttemptResult("x", attempt, "n1", Status.PASSED, duration=duration)


def test_a_first_attempt_waited_since_the_flow_began() -> None:
    times = QueueTimes()
    times.begin()

    assert times.with_queue_time(_result()).queue_seconds > 0.0


def test_a_further_attempt_in_place_did_not_wait() -> None:
    times = QueueTimes()
    times.begin()

    assert times.with_queue_time(_result(2)).queue_seconds == 0.0


def test_a_further_attempt_that_was_queued_waited_since_then() -> None:
    times = QueueTimes()
    times.begin()
    times.note_ready(("x", ""))

    assert times.with_queue_time(_result(2)).queue_seconds > 0.0


def test_no_test_waits_less_than_nothing() -> None:
    times = QueueTimes()
    times.begin()

    assert times.with_queue_time(_result(duration=3600.0)).queue_seconds == 0.0


def test_before_the_flow_begins_nothing_waits() -> None:
    times = QueueTimes()
    times.note_ready(("x", ""))

    assert times.with_queue_time(_result()).queue_seconds == 0.0
