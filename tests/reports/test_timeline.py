"""The attempts of a run laid out on lanes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import AttemptFinished, Event, NodeJoined, NodeLost, RunFinished, RunStarted, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.records import RunRecord, fold
from pulseq.reports.timeline import Bar, Timeline, lay_out

START = 2e9
FAILED = (Status.FAILED, Reason.ASSERTION)
PASSED = (Status.PASSED, None)


def run_of(attempts: list[tuple[str, float, float]], slots: int = 1, wall: float = 10.0) -> RunRecord:
    """A run in which each attempt is (node, start, duration); one test each."""
    events: list[Event] = [RunStarted("r", "s", START, "1")]
    events += [NodeJoined(node, "localhost", slots) for node in dict.fromkeys(node for node, _, _ in attempts)]
    for index, (node, start, duration) in enumerate(attempts):
        events.append(TestPlanned(f"t{index}", "", "", "call", "medium"))
        result = AttemptResult(f"t{index}", 1, node, Status.PASSED, started_at=START + start, duration=duration)
        events.append(AttemptFinished(result))
    return fold([*events, RunFinished(START + wall, wall, 0, "passed")])


def laid_out(record: RunRecord) -> Timeline:
    timeline = lay_out(record)
    assert timeline is not None
    return timeline


def times_of(timeline: Timeline) -> list[list[tuple[float, float]]]:
    return [[(bar.start, bar.end) for bar in lane] for track in timeline.tracks for lane in track.lanes]


def bars_of(timeline: Timeline) -> list[Bar]:
    return [bar for track in timeline.tracks for lane in track.lanes for bar in lane]


def test_nothing_that_ran_is_no_picture() -> None:
    assert lay_out(RunRecord()) is None


def test_attempts_that_overlap_are_on_lanes_of_their_own() -> None:
    timeline = laid_out(run_of([("n", 0.0, 3.0), ("n", 1.0, 1.0), ("n", 4.0, 1.0)], slots=2))
    assert times_of(timeline) == [[(0.0, 3.0), (4.0, 5.0)], [(1.0, 2.0)]]


def test_a_node_has_a_lane_for_every_slot_also_where_it_was_idle() -> None:
    timeline = laid_out(run_of([("a", 0.0, 1.0), ("b", 1.0, 1.0)], slots=3))
    assert [3, 3] == [len(track.lanes) for track in timeline.tracks]


def test_cases_that_share_the_start_of_their_command_come_one_after_the_other() -> None:
    timeline = laid_out(run_of([("n", 1.0, 1.0), ("n", 1.0, 2.0), ("n", 1.0, 0.5)]))
    assert times_of(timeline) == [[(1.0, 2.0), (2.0, 4.0), (4.0, 4.5)]]


def test_the_picture_begins_with_the_first_attempt_and_ends_with_the_last() -> None:
    timeline = laid_out(run_of([("n", 7.0, 1.0), ("n", 8.5, 1.0)]))
    assert (7.0, 9.5, ("0:07", "7.5 s")) == (timeline.begin, timeline.end, ("0:07", timeline.ticks[1][1]))


def test_a_node_whose_clock_is_off_is_moved_into_the_run() -> None:
    timeline = laid_out(run_of([("n", -3600.0, 1.0), ("n", -3598.0, 2.0)]))
    assert times_of(timeline) == [[(0.0, 1.0), (2.0, 4.0)]]


def test_a_clock_that_jumped_in_the_middle_is_cut_off_at_the_ends_of_the_run() -> None:
    timeline = laid_out(run_of([("n", 5.0, 1.0), ("n", -3600.0, 1.0)], slots=2))
    assert times_of(timeline) == [[(0.0, 0.0), (5.0, 6.0)], []]


def test_attempts_too_short_to_tell_apart_share_a_bar_that_says_what_they_were(plot, tell_story: Callable) -> None:
    plots = [plot(f"t{index}", 0.0, (FAILED if index == 3 else PASSED,)) for index in range(5)] + [plot("long", 100.0)]
    bars = bars_of(laid_out(tell_story(plots, {"n": (1, {})}).record))
    assert ("passed", 0.2, "failed", "0:00: 5 attempts: 1 failed, 4 passed") == (
        bars[0].kind,
        bars[0].wrong,
        bars[0].wrong_kind,
        bars[0].title,
    )


def test_an_attempt_of_which_nobody_knows_when_it_began_is_counted_and_not_drawn() -> None:
    record = run_of([("n", 0.0, 1.0)])
    record.apply(TestPlanned("x", "", "", "call", "medium"))
    record.apply(AttemptFinished(AttemptResult("x", 1, "n", Status.ERROR, reason=Reason.NODE_LOST)))
    assert (1, 1) == (laid_out(record).attempts, laid_out(record).undrawn)


def test_a_node_that_was_lost_is_marked() -> None:
    record = run_of([("a", 0.0, 1.0), ("b", 0.0, 1.0)])
    record.apply(NodeLost("b", "killed"))
    assert [("a",), 0, ("b",), 1] == [one for track in laid_out(record).tracks for one in (track.node_ids, track.lost)]


def test_an_attempt_lost_with_its_node_is_lost_and_no_error(plot, tell_story: Callable) -> None:
    story = tell_story([plot("a", outcomes=((Status.ERROR, Reason.NODE_LOST), PASSED))], {"n": (1, {})})
    assert ["lost", "passed"] == [bar.kind for bar in bars_of(laid_out(story.record))]


def test_many_slots_are_folded_into_lanes_as_high_as_they_were_busy() -> None:
    timeline = laid_out(run_of([("n", 0.0, 10.0)] * 50, slots=100))
    shares = {round(bar.share, 6) for bar in bars_of(timeline)}
    assert (True, 1, {0.5}) == (timeline.folded, len(timeline.tracks[0].lanes), shares)


@pytest.mark.parametrize(("nodes", "slots"), [(1, 1), (48, 1), (49, 1), (500, 8)])
def test_a_picture_of_very_many_attempts_stays_small(nodes: int, slots: int) -> None:
    attempts = [(f"n{index % nodes}", index * 0.002, 0.003) for index in range(10_000)]
    timeline = laid_out(run_of(attempts, slots, 20.0))
    lanes = sum(len(track.lanes) for track in timeline.tracks)
    assert (True, True) == (lanes <= 48, len(bars_of(timeline)) < 8000)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(-1e9, 1e9), st.floats(0, 1e9)), min_size=1),
    st.integers(1, 60),
    st.floats(0, 1e6),
)
def test_every_bar_lies_within_the_picture(attempts: list, slots: int, wall: float) -> None:
    timeline = laid_out(run_of(attempts, slots, wall))
    slack = 1e-6 * (1 + timeline.end)
    outside = [
        bar
        for bar in bars_of(timeline)
        if not timeline.begin - slack <= bar.start <= bar.end <= timeline.end + slack or not 0 <= bar.share <= 1
    ]
    assert ([], True) == (outside, len(timeline.ticks) <= 8)


@given(st.lists(st.tuples(st.just("n"), st.floats(0, 9), st.floats(0.1, 1)), min_size=1), st.integers(1, 8))
def test_no_two_bars_of_a_slot_overlap(attempts: list, slots: int) -> None:
    for lane in times_of(laid_out(run_of(attempts, slots))):
        assert [] == [(one, two) for one, two in pairwise(lane) if two[0] < one[1]]
