"""What of a dispatch can be given back."""

from __future__ import annotations

import dataclasses
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pulseq.models import Key, SimulateBody, TestCase
from pulseq.node.dispatch_under_way import DispatchUnderWay
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work
from pulseq.pytest_sessions import PytestOrder, PytestSpec

SPEC = PytestSpec("r", "unit", ("tests",), (), False, ".", None)


def single(name: str) -> TestWork:
    return TestWork(name, TestCase(name, SimulateBody()), 1, 0)


def pack(*names: str) -> PytestWork:
    return PytestWork(
        f"test_a.py ({len(names)} tests)", SPEC, tuple(PytestOrder(n, "", f"test_a.py::{n}") for n in names)
    )


def scope(*names: str) -> PytestWork:
    return replace(pack(*names), whole=True)


def under_way(*work: Work, without: frozenset[Key] = frozenset()) -> DispatchUnderWay:
    return DispatchUnderWay(Dispatch("1", "r", work, tuple(uuid4() for _ in work)), without)


def keys(names: str) -> frozenset[Key]:
    return frozenset((name, "") for name in names)


def names_of(dispatch: DispatchUnderWay) -> list[str]:
    return [work.name for work, _ in dispatch]


def test_what_has_not_begun_is_given_back() -> None:
    dispatch = under_way(single("a"), single("b"), single("c"))
    next(iter(dispatch))

    assert dispatch.give_back(keys("abc")) == [("b", ""), ("c", "")]
    assert names_of(dispatch) == []


def test_a_pack_that_has_not_begun_gets_smaller_and_a_name_that_says_so() -> None:
    dispatch = under_way(pack("a", "b", "c"))

    assert dispatch.give_back(keys("c")) == [("c", "")]
    assert names_of(dispatch) == ["test_a.py (2 tests)"]


def test_of_the_pack_that_runs_its_runner_is_asked() -> None:
    dispatch = under_way(pack("a", "b", "c"), single("d"))
    next(iter(dispatch))

    assert dispatch.give_back(keys("cd")) == [("d", "")]
    assert {order.test_id for order in dispatch.orders_of(keys("cd"))} == {"c"}


def test_a_single_item_is_never_asked_back_once_it_has_begun() -> None:
    dispatch = under_way(pack("a"))
    next(iter(dispatch))

    assert dispatch.orders_of(keys("a")) == frozenset()


def test_a_dispatch_that_comes_late_is_without_what_was_asked_back_before() -> None:
    dispatch = under_way(single("a"), pack("b", "c"), without=keys("ac"))

    assert names_of(dispatch) == ["b"]


def test_a_scope_is_given_back_as_a_whole_or_not_at_all() -> None:
    dispatch = under_way(pack("a", "b"), scope("c", "d"), scope("e", "f"))

    assert dispatch.give_back(keys("bdef")) == [("b", ""), ("e", ""), ("f", "")]
    assert [work.keys for work, _ in dispatch] == [[("a", "")], [("c", ""), ("d", "")]]


def test_a_scope_that_has_begun_stays() -> None:
    dispatch = under_way(scope("a", "b", "c"))
    next(iter(dispatch))

    assert (dispatch.give_back(keys("bc")), dispatch.orders_of(keys("bc"))) == ([], frozenset())


def test_the_item_that_begins_next_is_promised_and_stays() -> None:
    dispatch = under_way(pack("a", "b"), pack("c", "d"))
    next(iter(dispatch))

    assert dispatch.promise_first(SPEC) == pack("c").orders[0]
    assert dispatch.give_back(keys("cd")) == [("d", "")]
    assert dispatch.promise_first(SPEC) == pack("c").orders[0]
    assert names_of(dispatch) == ["c"]


def test_with_the_first_of_a_scope_all_of_it_stays() -> None:
    dispatch = under_way(scope("a", "b"), scope("c", "d"))
    dispatch.promise_first(SPEC)

    assert dispatch.give_back(keys("abcd")) == [("c", ""), ("d", "")]


def test_a_promised_item_stays_also_when_its_pack_has_begun() -> None:
    dispatch = under_way(pack("a", "b"))
    dispatch.promise_first(SPEC)
    next(iter(dispatch))

    assert {order.test_id for order in dispatch.orders_of(keys("ab"))} == {"b"}


@pytest.mark.parametrize(
    "work",
    [
        [],
        [single("x")],
        [replace(pack("x"), fresh=True)],
        [replace(pack("x"), spec=dataclasses.replace(SPEC, entry="e"))],
    ],
)
def test_what_no_runner_of_the_session_goes_on_with_is_not_promised(work: list[Work]) -> None:
    assert under_way(*work).promise_first(SPEC) is None


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_each_test_is_begun_or_given_back_and_never_both(sizes: list[int], data: st.DataObject) -> None:
    work: list[Work] = []
    for number, size in enumerate(sizes):
        work.append(pack(*(f"{number}-{n}" for n in range(size))) if size > 1 else single(str(number)))
    everything = [key for unit in work for key in unit.keys]
    dispatch = under_way(*work)
    begun: list[Key] = []
    given_back: list[Key] = []
    for unit, _ in dispatch:
        begun += unit.keys
        given_back += dispatch.give_back(data.draw(st.frozensets(st.sampled_from(everything))))

    assert sorted(begun + given_back) == sorted(everything)
