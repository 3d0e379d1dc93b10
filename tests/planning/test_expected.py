"""How long tests are expected to take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.planning.expected import ExpectedDurations, History, slowness_of


def _durations(**seconds: float) -> ExpectedDurations:
    return ExpectedDurations(History({(test_id, ""): value for test_id, value in seconds.items()}))


def test_history_knows_better_than_the_suite() -> None:
    assert _durations(a=2.0).seconds(("a", ""), declared=9.0) == 2.0


def test_what_history_does_not_know_the_suite_may_declare() -> None:
    assert _durations().seconds(("a", ""), declared=9.0) == 9.0


def test_nothing_is_known_of_a_new_test() -> None:
    assert _durations(a=2.0).seconds(("b", ""), declared=None) is None


@pytest.mark.parametrize("entry", ["", "unit::"])
def test_a_new_item_takes_as_long_as_those_of_its_file(entry: str) -> None:
    durations = _durations(**{f"{entry}t/a.py::x": 1.0, f"{entry}t/a.py::K::y[p::q]": 3.0, f"{entry}t/b.py::z": 50.0})

    assert durations.seconds((f"{entry}t/a.py::new", ""), declared=None, nodeid="t/a.py::new") == 2.0


def test_an_item_of_a_new_file_is_unknown() -> None:
    assert _durations(**{"a.py::x": 1.0}).seconds(("b.py::x", ""), declared=None, nodeid="b.py::x") is None


def test_a_kind_of_node_is_as_slow_as_its_tests_there() -> None:
    medians = {(f"t{i}", ""): {"fast": 1.0, "middle": 2.0, "slow": 6.0} for i in range(5)}

    assert slowness_of(medians) == {"fast": 0.5, "slow": 3.0}


def test_few_or_tiny_tests_tell_nothing() -> None:
    few = {(f"t{i}", ""): {"fast": 1.0, "slow": 6.0} for i in range(4)}
    tiny = {(f"u{i}", ""): {"fast": 0.001, "slow": 0.006} for i in range(9)}

    assert slowness_of(few | tiny) == {}


def test_a_kind_alone_is_the_median() -> None:
    assert slowness_of({(f"t{i}", ""): {"only": 5.0} for i in range(9)}) == {}


@given(st.floats(0.01, 100), st.floats(1.5, 50))
def test_slowness_does_not_depend_on_what_the_tests_take(seconds: float, factor: float) -> None:
    medians = {(f"t{i}", ""): {"a": seconds, "b": seconds, "c": seconds * factor} for i in range(5)}

    assert slowness_of(medians) == {"c": pytest.approx(factor)}


def test_a_kind_that_nothing_is_known_of_is_as_fast_as_the_median() -> None:
    durations = ExpectedDurations(History(slowness={"slow": 3.0}))

    assert (durations.slowness("slow"), durations.slowness("new")) == (3.0, 1.0)
