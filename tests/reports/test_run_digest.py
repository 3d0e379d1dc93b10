"""What a run came to, worked out once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.reports.run_digest import RunDigest


@pytest.mark.parametrize(
    ("reason", "sorted_into"),
    [
        (Reason.TIMEOUT, ["failures", "judged"]),
        (Reason.SETUP, ["failures", "judged"]),
        (Reason.NODE_LOST, ["without_verdict", "judged"]),
        (Reason.UNSATISFIABLE, ["without_verdict", "judged"]),
        (Reason.INTERNAL, ["without_verdict", "judged"]),
        (Reason.CANCELLED, ["not_run"]),
    ],
)
def test_an_error_is_the_tests_own_or_it_was_kept_from_a_verdict_or_not_run(
    plot, tell_story: Callable, reason: Reason, sorted_into: list[str]
) -> None:
    run = RunDigest(tell_story([plot("a", outcomes=((Status.ERROR, reason),))]).record)
    assert sorted_into == [name for name in ("failures", "without_verdict", "judged", "not_run") if getattr(run, name)]


def test_the_slowest_are_the_deciding_attempts_of_tests_with_a_verdict(plot, tell_story: Callable) -> None:
    stopped = plot("stopped", 9.0, ((Status.ERROR, Reason.CANCELLED),))
    failed = (Status.FAILED, Reason.ASSERTION)
    plots = [plot("b", 1.0), plot("a", 1.0), plot("slow", 2.0, (failed, failed)), stopped, plot("never", outcomes=())]
    run = RunDigest(tell_story(plots).record)
    assert [(last.test_id, last.attempt) for last in run.slowest] == [("slow", 2), ("a", 1), ("b", 1)]
    assert run.durations is not None
    assert (run.durations.longest, sum(one.count for one in run.durations.bins)) == (2.0, 3)


def test_a_run_that_goes_on_tells_what_it_has(checkout) -> None:
    record = RunRecord()
    for _, event in checkout.until(5.0):
        record.apply(event)
    run = RunDigest(record)
    assert run.unfinished
    assert len(run.tests) + len(run.unfinished) == len(record.tests)
    assert run.tally.closed == len(run.tests)


def test_each_part_is_worked_out_once(checkout) -> None:
    run = RunDigest(checkout.record)
    parts = ("tests", "failures", "slowest", "nodes", "timeline", "tally")
    assert all(getattr(run, part) is getattr(run, part) for part in parts)


def test_a_run_of_nothing_is_empty() -> None:
    run = RunDigest(RunRecord())
    assert (run.tests, run.failures, run.slowest, run.nodes, run.warnings, run.timeline, run.durations) == (
        *([], [], [], [], []),
        None,
        None,
    )
