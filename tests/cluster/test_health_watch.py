from __future__ import annotations

from dataclasses import replace

import pytest

from pulseq.cluster.health import Sighting
from pulseq.cluster.health_watch import REMEMBERED_TIMEOUTS, HealthWatch, Look
from pulseq.events import NodeHealth
from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule
from pulseq.protocol.clock_offset import ClockOffset
from pulseq.protocol.node_probe import Answer

RULE = LivenessRule(heartbeat_interval=2, node_timeout=6)
ACTIVE, SUSPECT, INACTIVE = Liveness.ACTIVE, Liveness.SUSPECT, Liveness.INACTIVE
ANSWER = Answer(0.01, load=0.5, memory_available=1, memory_total=2, disk_free=3, disk_total=4, running=1)


def _see(address: str = "tcp://h:1", heartbeat_age: float = 0.1, answer: Answer | None = ANSWER) -> Sighting:
    return Sighting("n", address, 2, heartbeat_age, answer)


def _changes(look: Look) -> list[tuple[Liveness, Liveness]]:
    return [(change.before, change.health.liveness) for change in look.changes]


def test_a_row_tells_what_the_node_has_answered() -> None:
    look = HealthWatch(RULE, "tcp://s:1").take([_see(answer=replace(ANSWER, lacks="its disk is full"))], 100)

    expected = NodeHealth(
        *("n", ACTIVE, "its disk is full", "tcp://s:1", "tcp://h:1", 0.01, 0.1, 0.5, 1, 2, 3, 4, 2, 1),
        latency_p50=0.01,
        link_breaks=0,
    )
    assert Look((expected,), ()) == look


def test_a_frozen_node_is_suspect_and_then_inactive_and_active_when_it_goes_on() -> None:
    watch = HealthWatch(RULE)
    watch.take([_see()], 100)

    looks = [
        watch.take([_see(heartbeat_age=age, answer=answer)], 100 + age)
        for age, answer in [(2.1, None), (5.9, None), (6.0, None), (9.0, None), (0.0, ANSWER)]
    ]

    assert [[(ACTIVE, SUSPECT)], [], [(SUSPECT, INACTIVE)], [], [(INACTIVE, ACTIVE)]] == [
        _changes(one) for one in looks
    ]
    assert "no answer within 2 s; last heard of 6.0 s ago" == looks[2].rows[0].why


def test_heartbeats_keep_a_node_that_answers_no_probe_from_being_inactive() -> None:
    watch = HealthWatch(RULE)

    assert {SUSPECT} == {watch.take([_see(answer=None)], at).rows[0].liveness for at in (0, 10, 20)}


def test_an_answer_keeps_a_node_active_whose_heartbeats_do_not_arrive() -> None:
    assert ACTIVE == HealthWatch(RULE).take([_see(heartbeat_age=1000)], 0).rows[0].liveness


def test_a_node_that_has_left_is_inactive_at_the_next_look_and_forgotten_much_later() -> None:
    watch = HealthWatch(RULE)
    watch.take([_see()], 0)

    left, still = watch.take([], 1), watch.take([], 2)
    at_last = watch.take([], 2 + RULE.node_timeout * REMEMBERED_TIMEOUTS)

    assert [(ACTIVE, INACTIVE)] == _changes(left)
    assert ("it has left the scheduler; last seen 2.0 s ago", ()) == (still.rows[0].why, still.changes)
    assert ((), {}) == (at_last.rows, watch.latest)


def test_a_node_that_was_killed_and_started_again_between_two_looks_is_told_of() -> None:
    watch = HealthWatch(RULE)
    watch.take([_see("tcp://h:1")], 0)

    look = watch.take([_see("tcp://h:2")], 1)

    assert [(ACTIVE, INACTIVE), (INACTIVE, ACTIVE)] == _changes(look)
    assert ["its process is gone; another one, at tcp://h:2, has its place", None] == [row.why for row in look.rows]


def test_a_node_that_comes_back_after_it_was_missed_is_active() -> None:
    watch = HealthWatch(RULE)
    watch.take([_see("tcp://h:1")], 0)
    watch.take([], 1)

    assert [(INACTIVE, ACTIVE)] == _changes(watch.take([_see("tcp://h:2")], 2))


def test_a_watch_goes_on_from_what_another_saw() -> None:
    before, after = HealthWatch(RULE), HealthWatch(RULE)
    for row in before.take([_see()], 0).rows:
        after.remember(row, 0)

    assert [(ACTIVE, SUSPECT)] == _changes(after.take([_see(heartbeat_age=5, answer=None)], 5))
    assert [(SUSPECT, INACTIVE)] == _changes(after.take([_see(heartbeat_age=6, answer=None)], 6))


def test_a_remembered_node_that_is_gone_is_not_told_of_as_a_change_again() -> None:
    before, after = HealthWatch(RULE), HealthWatch(RULE)
    before.take([_see()], 0)
    for row in before.take([], 1).rows:
        after.remember(row, 1)

    assert [] == _changes(after.take([], 2))


def test_a_node_that_is_to_be_there_is_told_of_before_it_comes_and_never_forgotten() -> None:
    watch = HealthWatch(RULE, expected=frozenset({"n"}))

    before, there = watch.take([], 0), watch.take([_see()], 1)
    watch.take([], 2)
    long_after = watch.take([], 10_000)

    assert [(INACTIVE, "it is not joined to the scheduler")] == [(row.liveness, row.why) for row in before.rows]
    assert [(INACTIVE, ACTIVE)] == _changes(there)
    assert [INACTIVE] == [row.liveness for row in long_after.rows]


def test_where_nobody_could_be_seen_each_node_says_why() -> None:
    watch = HealthWatch(RULE)
    watch.take([_see()], 0)

    look = watch.take([], 1, trouble="the scheduler does not answer")

    assert [(ACTIVE, INACTIVE)] == _changes(look)
    assert ["the scheduler does not answer"] == [row.why for row in look.rows]


def _beat(last_seen: float, now: float, *, ahead: float, answer: Answer | None = None) -> Sighting:
    """A node as it is seen at `now`, where our clock is ahead of the scheduler's; `last_seen` is by our clock."""
    return Sighting("n", "tcp://h:1", 2, max(now - last_seen + ahead, 0.0), answer, last_seen=last_seen - ahead)


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -3600.0])
def test_another_clock_of_the_scheduler_makes_no_node_silent_and_none_heard_of(ahead: float) -> None:
    watch = HealthWatch(RULE)
    watch.take([_beat(99.9, 100, ahead=ahead, answer=ANSWER)], 100)

    silent = [watch.take([_beat(99.9, at, ahead=ahead)], at).rows[0].liveness for at in (102, 104, 105.9, 106)]
    beating = [watch.take([_beat(at, at, ahead=ahead)], at).rows[0].liveness for at in range(107, 120, 2)]

    assert [SUSPECT, SUSPECT, SUSPECT, INACTIVE] == silent
    assert {SUSPECT} == set(beating)


def test_a_node_that_is_first_seen_silent_is_suspect() -> None:
    row = HealthWatch(RULE).take([_beat(60, 100, ahead=0)], 100).rows[0]

    assert (SUSPECT, 40.0, "no answer within 2 s") == (row.liveness, row.heartbeat_age, row.why)


def test_the_median_of_latencies_and_the_breaks_of_a_link_are_counted() -> None:
    watch = HealthWatch(RULE)
    for at, latency in enumerate((0.01, 0.5, 0.02)):
        row = watch.take([_see(answer=Answer(latency))], at).rows[0]
    assert (row.latency, row.latency_p50, row.link_breaks) == (0.02, 0.02, 0)
    breaks = [watch.take(seen, at).rows[0].link_breaks for at, seen in enumerate(([], [], [_see()], []), start=3)]
    assert [1, 1, 1, 2] == breaks


def test_the_surest_clock_of_the_last_looks_is_told_for_each_start_of_a_node() -> None:
    watch = HealthWatch(RULE)
    clocks = [ClockOffset(41.2, 0.5), ClockOffset(41.0, 0.01), ClockOffset(41.3, 0.5)]
    for clock in clocks:
        row = watch.take([replace(_see(answer=Answer(0.1, clock=clock)), incarnation="first")], 1).rows[0]
    assert (row.clock_offset, row.clock_uncertainty) == (41.0, 0.01)
    row = watch.take([replace(_see(), incarnation="second")], 1).rows[-1]
    assert (row.clock_offset, row.clock_uncertainty) == (None, None)
