from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import Liveness
from pulseq.planning.liveness import LivenessRule, LivenessWatch

RULE = LivenessRule(heartbeat_interval=30, node_timeout=60)
ACTIVE, SUSPECT, INACTIVE = Liveness.ACTIVE, Liveness.SUSPECT, Liveness.INACTIVE
limits = st.floats(0.01, 1e6)


@pytest.mark.parametrize(
    ("silent_seconds", "liveness"),
    [(0, ACTIVE), (30, ACTIVE), (44.9, ACTIVE), (45, SUSPECT), (59.9, SUSPECT), (60, INACTIVE), (1e9, INACTIVE)],
)
def test_silence_makes_a_node_suspect_and_then_inactive(silent_seconds: float, liveness: Liveness) -> None:
    assert liveness == RULE.judge(silent_seconds)


def test_a_node_that_leaves_a_probe_unanswered_is_suspect_at_once_and_no_more_than_that() -> None:
    assert [SUSPECT, INACTIVE] == [RULE.judge(0, unanswered=True), RULE.judge(60, unanswered=True)]


@given(limits, limits, st.floats(0, 1e7), st.floats(0, 1e7))
def test_longer_silence_is_never_better(interval: float, timeout: float, one: float, other: float) -> None:
    rule, order = LivenessRule(interval, timeout), [ACTIVE, SUSPECT, INACTIVE]
    less, more = (rule.judge(seconds) for seconds in sorted((one, other)))

    assert order.index(less) <= order.index(more)
    assert (INACTIVE is more) == (max(one, other) >= timeout)


@given(limits, limits)
def test_a_regular_heartbeat_never_makes_a_node_suspect(interval: float, timeout: float) -> None:
    regular = min(interval, timeout / 3)
    assert ACTIVE == LivenessRule(interval, timeout).judge(regular)


@given(limits, limits)
def test_a_frozen_node_is_found_before_twice_its_timeout(interval: float, timeout: float) -> None:
    rule = LivenessRule(interval, timeout)
    assert rule.node_timeout + rule.poll_interval + rule.probe_seconds < 2 * timeout


@pytest.mark.parametrize(("interval", "timeout", "name"), [(0, 1, "heartbeat_interval"), (1, -1, "node_timeout")])
def test_a_limit_that_is_no_time_is_refused(interval: float, timeout: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: found .*, expected seconds above 0"):
        LivenessRule(interval, timeout)


def test_a_limit_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="found nan"):
        LivenessRule(float("nan"), 1)


def test_a_node_that_is_heard_of_again_is_active_again() -> None:
    watch = LivenessWatch(RULE)
    watch.hear("n", 100)
    assert INACTIVE == watch.liveness_of("n", 160)

    watch.hear("n", 161)

    assert {"n": ACTIVE} == watch.liveness(161)


def test_an_unanswered_probe_counts_until_the_next_sign() -> None:
    watch = LivenessWatch(RULE)
    watch.hear("n", 100)
    watch.miss("n")
    watch.hear("n", 99)  # a heartbeat from before it
    assert SUSPECT == watch.liveness_of("n", 100)

    watch.hear("n", 101)

    assert ACTIVE == watch.liveness_of("n", 101)


def test_a_node_that_left_is_inactive_until_it_is_heard_of_again() -> None:
    watch = LivenessWatch(RULE)
    watch.hear("n", 100)
    watch.leave("n")
    assert INACTIVE == watch.liveness_of("n", 100)

    watch.hear("n", 101)

    assert ACTIVE == watch.liveness_of("n", 101)


def test_a_clock_that_steps_back_makes_nobody_silent() -> None:
    watch = LivenessWatch(RULE)
    watch.hear("n", 5000)

    assert (0.0, ACTIVE) == (watch.silence_of("n", 1400), watch.liveness_of("n", 1400))


def test_an_answer_counts_also_after_a_clock_has_stepped_back() -> None:
    watch = LivenessWatch(RULE)
    watch.hear("n", 5000)
    watch.miss("n")
    watch.answer("n", 1400)

    assert [ACTIVE, INACTIVE] == [watch.liveness_of("n", now) for now in (1400, 1460)]


def test_a_node_that_nobody_has_heard_of_is_unknown() -> None:
    watch = LivenessWatch(RULE)
    watch.hear("n", 0)
    watch.forget("n")

    assert "n" not in watch
    with pytest.raises(KeyError):
        watch.liveness_of("n", 0)
