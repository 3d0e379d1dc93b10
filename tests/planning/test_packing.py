"""How much travels in one dispatch."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.planning.packing import WHOLE_FILES, DispatchFill, Pace, PackLimits, expected
from pulseq.planning.queued import QueuedTest
from pulseq.planning.requirement_class import Bundle

LIMITS = PackLimits(pack_seconds=2.0, most_tests=600)


def item(
    seconds: float | None = None,
    file: str = "test_a.py",
    avoid: frozenset[str] = frozenset(),
    group: str | None = None,
) -> QueuedTest:
    return QueuedTest(("t", ""), 1, "", expected_seconds=seconds, pack=("entry", file), avoid=avoid, group=group)


def single(seconds: float | None = None) -> QueuedTest:
    return QueuedTest(("t", ""), 1, "", expected_seconds=seconds)


def fill_up(test: QueuedTest, share: float = math.inf, limits: PackLimits = LIMITS) -> DispatchFill:
    fill = DispatchFill(limits, share)
    while fill.takes(test) and fill.count < 1000:
        fill.add(test)
    return fill


@pytest.mark.parametrize(
    ("test", "seconds"),
    [(item(3.0), 3.0), (item(), LIMITS.unknown_seconds), (single(3.0), 3.0), (single(), None)],
)
def test_a_test_is_reckoned_with(test: QueuedTest, seconds: float | None) -> None:
    assert expected(test, LIMITS) == seconds


def test_no_test_is_reckoned_with_nothing() -> None:
    assert expected(single(0.0), LIMITS) == LIMITS.least_seconds


def test_the_first_test_always_fits() -> None:
    assert DispatchFill(LIMITS, 0.0).takes(single(3600.0))


def test_items_fill_a_dispatch_of_pack_seconds() -> None:
    assert fill_up(item(0.125)).count == 16


def test_tests_that_are_task_runs_of_their_own_fill_a_shorter_one() -> None:
    assert fill_up(single(0.0625)).count == 3


def test_a_test_of_unknown_length_travels_alone() -> None:
    assert fill_up(single()).count == 1


def test_items_of_unknown_length_are_not_too_many() -> None:
    assert fill_up(item(), limits=PackLimits(unknown_seconds=0.001)).count == LIMITS.most_unknown


def test_a_dispatch_has_a_number_that_it_never_exceeds() -> None:
    assert fill_up(item(0.0)).count == LIMITS.most_tests


def test_a_dispatch_takes_a_third_of_a_slots_share() -> None:
    assert fill_up(item(0.125), share=3.0).count == 8


def test_nothing_joins_a_long_test() -> None:
    fill = DispatchFill(LIMITS, math.inf)
    fill.add(single(5.0))
    assert not fill.takes(single(0.001))


def test_items_do_not_wait_behind_a_long_task_run_of_its_own() -> None:
    fill = DispatchFill(LIMITS, math.inf)
    fill.add(single(1.0))
    assert not fill.takes(item(0.01))


def test_nothing_joins_a_single_test_of_unknown_length() -> None:
    fill = DispatchFill(LIMITS, math.inf)
    fill.add(single())
    assert not fill.takes(item(0.001))


def test_a_test_does_not_join_a_dispatch_to_a_node_that_it_avoids() -> None:
    fill = DispatchFill(LIMITS, math.inf, "n1")
    fill.add(item(0.01))
    assert not fill.takes(item(0.01, avoid=frozenset({"n1"})))


@pytest.mark.parametrize("seconds", [None, 0.0, 5.0])
def test_a_whole_file_is_as_long_as_it_is(seconds: float | None) -> None:
    assert fill_up(item(seconds), share=1e-9, limits=WHOLE_FILES).count == 1000


@given(st.lists(st.one_of(st.none(), st.floats(0, 10)), min_size=1), st.floats(0, 100))
def test_what_is_taken_past_the_first_stays_within_the_budget(lengths: list[float | None], share: float) -> None:
    fill = DispatchFill(LIMITS, share)
    for length in lengths:
        if fill.takes(item(length)):
            fill.add(item(length))
    few = fill.guessed == fill.count <= LIMITS.few_unknown
    assert fill.count == 1 or fill.seconds <= min(LIMITS.pack_seconds, share * (1 if few else LIMITS.share))


def test_a_slow_node_gets_smaller_dispatches() -> None:
    fast, slow = (DispatchFill(PackLimits(pack_seconds=2.0), 1000.0, slowness=slowness) for slowness in (1.0, 2.0))
    counts = []
    for fill in (fast, slow):
        for _ in range(10):
            test = QueuedTest(("a", ""), 0, (), expected_seconds=0.5, pack=("unit", "a.py"))
            if fill.takes(test):
                fill.add(test)
        counts.append(fill.count)
    assert counts == [4, 2]


def _fill_unknown(pace: Pace | None, count: int = 1000) -> int:
    fill = DispatchFill(LIMITS, 1000.0, pace=pace)
    for number in range(count):
        test = QueuedTest((str(number), ""), number, (), pack=("unit", "a.py"))
        if not fill.takes(test):
            break
        fill.add(test)
    return fill.count


def test_a_dispatch_of_a_measured_file_is_as_large_as_its_items_are_short() -> None:
    measured = {0.001: LIMITS.most_tests, 0.03: 66, 0.2: 10, 2.0: LIMITS.few_unknown}
    for seconds, count in measured.items():
        pace = Pace(0.05, 0.001)
        for _ in range(10):
            pace.note(("unit", "a.py"), seconds)
        assert _fill_unknown(pace) == count


def test_of_a_file_that_nothing_is_known_of_few_items_go_at_once() -> None:
    assert [_fill_unknown(None), _fill_unknown(Pace(0.05, 0.001))] == [20, 20]


@pytest.mark.parametrize(("usual", "count"), [(0.001, LIMITS.most_guessed), (0.2, 10)])
def test_of_one_that_nothing_is_known_of_more_go_once_the_run_knows_what_its_items_take(
    usual: float, count: int
) -> None:
    pace = Pace(0.05, 0.001)
    for _ in range(2000):
        pace.note(("unit", "another.py"), usual)
    assert _fill_unknown(pace) == count


def _cut(lengths: list[tuple[float, str | None]], share: float = math.inf) -> int:
    tests = [item(seconds, group=group) for seconds, group in lengths]
    fill = DispatchFill(LIMITS, share)
    return len(Bundle(tests, 0.0).cut(fill))


@pytest.mark.parametrize(
    ("groups", "count"),
    [
        ("a" * 20 + "b" * 20, 20),
        ("a" * 12 + "b" * 40, 12),
        ("a" * 4 + "b" * 40, 16),
        ("a" * 40, 16),
        ("a" * 16 + "b" * 40, 16),
        ("a" * 10, 10),
    ],
)
def test_a_class_stays_together_unless_it_is_too_long(groups: str, count: int) -> None:
    assert _cut([(0.125, group) for group in groups]) == count


def test_functions_are_cut_between_as_they_come() -> None:
    assert _cut([(0.125, None)] * 40) == 16


@given(
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from([None, "a", "b", "c"])), min_size=1, max_size=60),
    st.floats(0, 100),
)
def test_for_the_sake_of_a_class_a_dispatch_is_longer_by_a_part_alone(
    lengths: list[tuple[float, str | None]], share: float
) -> None:
    count = _cut(lengths, share)
    assert 1 <= count <= len(lengths)
    budget = min(LIMITS.pack_seconds, share * LIMITS.share)
    reckoned = [max(length, LIMITS.least_seconds) for length, _ in lengths[:count]]
    # The first test goes in any case, however long it is.
    assert count == 1 or sum(reckoned) <= max(budget, reckoned[0]) + budget * LIMITS.stretch + 1e-6


def test_packed_items_may_take_half_a_second_where_idle_slots_find_as_much() -> None:
    counts = []
    for idle_share in (0.0, 0.25, 10.0):
        fill = DispatchFill(LIMITS, 0.3, idle_share_seconds=idle_share)
        while fill.takes(item(0.0625)):
            fill.add(item(0.0625))
        counts.append(fill.count)
    assert counts == [1, 4, 8]


def test_one_slow_test_of_a_file_does_not_make_each_of_its_others_a_dispatch() -> None:
    pace = Pace(0.05, 0.001)
    for seconds in (0.01,) * 9 + (60.0,):
        pace.note(("unit", "a.py"), seconds)

    assert _fill_unknown(pace) == LIMITS.few_unknown


def test_what_nothing_is_known_of_does_not_wait_behind_what_is_known_to_be_long() -> None:
    fill = DispatchFill(LIMITS, math.inf)
    fill.add(single(5.0))

    assert not fill.takes(item())


def test_not_even_for_the_sake_of_a_class_does_a_test_go_where_it_avoids_to() -> None:
    lost = frozenset({"n1"})
    tests = [item(0.125, group="a") for _ in range(16)] + [item(0.125, avoid=lost, group="a")]

    assert len(Bundle([*tests, item(0.125)], 0.0).cut(DispatchFill(LIMITS, math.inf, "n1"))) == 16


def _pace(*seconds: float, file: str = "a.py") -> Pace:
    pace = Pace(0.05, 0.001)
    for value in seconds:
        pace.note(file, value)
    return pace


def test_before_anything_was_measured_a_guess_is_all_there_is() -> None:
    pace = _pace()
    assert (pace.known, pace.typical_seconds, pace.seconds_of("a.py")) == (False, 0.05, None)


def test_few_items_say_nothing_of_their_file() -> None:
    assert _pace(*[0.2] * 9).seconds_of("a.py") is None


def test_the_others_of_a_file_take_what_its_first_took() -> None:
    pace = _pace(*[0.2] * 5, *[0.4] * 5)
    assert pace.seconds_of("a.py") == pytest.approx(0.3)
    assert pace.seconds_of("b.py") is None


def test_the_more_is_measured_the_less_the_guess_counts() -> None:
    assert _pace(*[0.01] * 20).typical_seconds == pytest.approx(0.03)
    assert _pace(*[0.01] * 2000).typical_seconds == pytest.approx(0.0104, rel=0.01)


@given(st.lists(st.floats(0.0, 0.001), min_size=20, max_size=40))
def test_nothing_takes_no_time(seconds: list[float]) -> None:
    pace = _pace(*seconds)
    assert pace.known
    assert min(pace.typical_seconds, pace.seconds_of("a.py") or 0.0) >= 0.001
