"""What several probes of a clock come to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulseq.cluster.node_clock import ClockHistory, NodeClocks
from pulseq.protocol.clock_offset import ClockOffset


def history(*told: tuple[float, ClockOffset]) -> ClockHistory:
    known = ClockHistory()
    for now, measured in told:
        known.add(measured, now)
    return known


def test_nothing_is_known_before_the_first() -> None:
    assert ClockHistory().best(0.0) is None


def test_the_surest_of_the_last_counts() -> None:
    good = ClockOffset(41.0, 0.01)
    known = history((0.0, ClockOffset(41.3, 0.5)), (1.0, good), (2.0, ClockOffset(40.8, 0.4)))
    assert known.best(1.0) == good


def test_what_is_old_gets_less_sure() -> None:
    known = history((0.0, ClockOffset(41.0, 0.001)), (600.0, ClockOffset(41.01, 0.01)))
    assert known.best(600.0) == ClockOffset(41.01, 0.01)


def test_one_that_contradicts_the_others_ends_them() -> None:
    """The clock of the node was set, or ours."""
    stepped = ClockOffset(-3559.0, 0.5)
    assert history((0.0, ClockOffset(41.0, 0.001)), (30.0, stepped)).best(30.0) == stepped


@given(
    offset=st.floats(-1e4, 1e4),
    drift=st.floats(-5e-5, 5e-5),
    ways=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2), st.floats(0, 60)), min_size=1, max_size=20),
)
def test_a_clock_that_nobody_sets_is_known_within_what_is_said(
    offset: float, drift: float, ways: list[tuple[float, float, float]]
) -> None:
    known, now = ClockHistory(), 0.0
    for there, back, pause in ways:
        now += pause
        known.add(ClockOffset(offset + drift * now + (there - back) / 2, (there + back) / 2), now)
    best = known.best(now)
    assert best is not None
    assert abs(best.offset - (offset + drift * now)) <= best.uncertainty + 1e-6


def test_each_start_of_a_node_has_a_clock_of_its_own() -> None:
    clocks = NodeClocks()
    clocks.add("n", "first", [ClockOffset(41.0, 0.1), ClockOffset(41.01, 0.01)], 0.0)
    assert clocks.of("n", "first", 0.0) == ClockOffset(41.01, 0.01)
    clocks.add("n", "second", [ClockOffset(0.0, 0.5)], 1.0)
    assert (clocks.of("n", "first", 1.0), clocks.of("n", "second", 1.0)) == (None, ClockOffset(0.0, 0.5))
    assert clocks.of("m", "", 1.0) is None
