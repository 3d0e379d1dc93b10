"""What a view knows of a run, and when it says the end will be."""

from __future__ import annotations

import pytest

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunStarted,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import AttemptResult, Reason, Status
from pulseq.reports.progress import RunProgress
from pulseq.reports.tally import count_verdicts


def planned(test_id: str, seconds: float | None = None) -> TestPlanned:
    return TestPlanned(test_id, "", "", "command", "medium", expected_seconds=seconds)


def finished(test_id: str, seconds: float, reason: Reason | None = None, attempt: int = 1) -> AttemptFinished:
    status = Status.ERROR if reason else Status.PASSED
    return AttemptFinished(AttemptResult(test_id, attempt, "n", status, reason=reason, duration=seconds))


def closed(test_id: str, status: Status = Status.PASSED, reason: Reason | None = None) -> TestClosed:
    return TestClosed(test_id, "", status, reason, False, 1, "n")


def progress_of(*moments: tuple[float, Event]) -> RunProgress:
    progress = RunProgress()
    for now, event in [(0.0, RunStarted("r", "s", 0.0, "1")), (0.0, NodeJoined("n", "localhost", 2)), *moments]:
        progress.apply(event, now)
    return progress


def test_a_whole_run_is_counted_as_its_record_counts_it(checkout) -> None:
    progress = RunProgress()
    for now, event in checkout.moments:
        progress.apply(event, now)
    assert (count_verdicts(checkout.record), 120, 0, 0) == (
        progress.tally,
        progress.done,
        progress.running,
        progress.waiting,
    )


def test_running_tests_are_known_by_node_with_their_start() -> None:
    progress = progress_of((0.0, planned("a")), (0.0, planned("b")), (3.0, AttemptStarted("a", "", 1, "n")))
    node = progress.nodes["n"]
    assert ([(t.test_id, t.since) for t in node.running.values()], node.used, progress.waiting) == ([("a", 3.0)], 1, 1)


def test_an_expanded_entry_is_no_test() -> None:
    progress = progress_of((0.0, planned("unit", 5.0)), (0.0, TestExpanded("unit", "", 1)), (0.0, planned("unit::a")))
    assert progress.total == 1


def test_a_later_verdict_replaces_the_earlier_one() -> None:
    late = closed("a", Status.ERROR, Reason.EXCEPTION)
    progress = progress_of((0.0, planned("a")), (1.0, closed("a")), (2.0, late))
    assert (progress.done, progress.tally.passed, progress.tally.errors) == (1, 0, 1)


def test_nothing_runs_on_a_lost_node_and_its_slots_are_gone() -> None:
    progress = progress_of((0.0, planned("a")), (1.0, AttemptStarted("a", "", 1, "n")), (2.0, NodeLost("n", "died")))
    assert (progress.running, progress.slots, progress.waiting, progress.nodes["n"].lost) == (0, 0, 1, "died")


def test_a_node_that_joins_again_starts_empty_and_keeps_its_count() -> None:
    progress = progress_of(
        (0.0, planned("a")), (0.0, planned("b")), (1.0, closed("a")), (1.0, AttemptStarted("b", "", 1, "n"))
    )
    progress.apply(NodeJoined("n", "localhost", 4), 2.0)
    assert (progress.running, progress.nodes["n"].finished, progress.slots) == (0, 1, 4)


def test_a_late_result_of_an_earlier_attempt_does_not_stop_the_present_one() -> None:
    progress = progress_of(
        (0.0, planned("a")),
        (1.0, AttemptStarted("a", "", 2, "n")),
        (2.0, finished("a", 1.0, Reason.NODE_LOST, attempt=1)),
    )
    assert progress.running == 1


def test_a_start_that_is_told_after_the_verdict_is_not_running() -> None:
    progress = progress_of((0.0, planned("a")), (1.0, closed("a")), (1.0, AttemptStarted("a", "", 1, "n")))
    assert progress.running == 0


def test_the_end_is_unknown_while_no_duration_is() -> None:
    assert None is progress_of((0.0, planned("a"))).seconds_left(1.0)


def test_the_end_is_unknown_without_a_node() -> None:
    progress = progress_of((0.0, planned("a", 1.0)), (0.0, NodeLost("n", "died")))
    assert None is progress.seconds_left(1.0)


def test_before_the_start_the_end_is_all_work_over_all_slots() -> None:
    tests = [(0.0, planned(f"t{index}", 3.0)) for index in range(4)]
    assert pytest.approx(progress_of(*tests).seconds_left(0.0)) == 6.0


def test_the_end_follows_the_pace_so_far() -> None:
    """One of two slots' worth of work done in each second so far: the rest takes twice as long as planned."""
    moments: list[tuple[float, Event]] = [(0.0, planned(f"t{index}", 1.0)) for index in range(2000)]
    moments += [(0.0, AttemptStarted("t0", "", 1, "n"))]
    moments += [(float(index), closed(f"t{index}")) for index in range(1000)]
    assert pytest.approx(progress_of(*moments).seconds_left(1000.0) or 0, rel=0.01) == 1000.0


def test_tests_of_unknown_length_count_as_the_mean_of_those_that_finished() -> None:
    tests = [(0.0, planned(test)) for test in "abc"]
    ran = [(0.0, AttemptStarted("a", "", 1, "n")), (2.0, finished("a", 2.0)), (2.0, closed("a"))]
    left = progress_of(*tests, *ran).seconds_left(2.0)
    assert pytest.approx(left) == 4.0 / ((2.0 + 4.0) / 4.0)


def test_attempts_lost_to_the_infrastructure_say_nothing_of_durations() -> None:
    lost = finished("a", 100.0, Reason.NODE_LOST)
    assert None is progress_of((0.0, planned("a")), (1.0, lost)).seconds_left(1.0)


def test_the_end_is_no_earlier_than_that_of_the_longest_running_test() -> None:
    progress = progress_of((0.0, planned("a", 60.0)), (0.0, AttemptStarted("a", "", 1, "n")))
    assert pytest.approx(progress.seconds_left(10.0)) == 50.0


def test_nothing_is_left_when_every_test_is_closed() -> None:
    assert progress_of((0.0, planned("a")), (1.0, closed("a"))).seconds_left(1.0) == 0.0


def test_the_end_is_no_earlier_than_the_slots_that_a_class_fits_allow() -> None:
    progress = progress_of((0.0, NodeJoined("gpu", "localhost", 1, {"gpu": True})))
    for index in range(100):
        event = TestPlanned(f"g{index}", "", "", "call", "medium", None, 2.0, {"gpu": True})
        progress.apply(event, 0.0)

    assert pytest.approx(200.0) == progress.seconds_left(0.0)


def test_a_last_turn_of_few_slots_counts_whole() -> None:
    assert pytest.approx(120.0) == progress_of(*((0.0, planned(name, 60.0)) for name in "abc")).seconds_left(0.0)


def test_what_the_first_test_waits_for_is_told_until_it_begins() -> None:
    progress = progress_of((0.0, planned("a")))
    assert "the Prefect server" == progress.waits_for
    progress.apply(PrefectRunKnown("f", None), 0.0)
    assert "a free slot" == progress.waits_for
    progress.apply(AttemptStarted("a", "", 1, "n"), 0.0)
    assert "" == progress.waits_for


def test_where_no_test_can_run_nothing_is_waited_for() -> None:
    nowhere = TestClosed("a", "", Status.ERROR, Reason.UNSATISFIABLE, False, 0)

    assert "" == progress_of((0.0, planned("a")), (0.0, nowhere)).waits_for
    assert "the Prefect server" == progress_of((0.0, planned("a")), (0.0, planned("b")), (0.0, nowhere)).waits_for
