"""Dispatches in flight."""

from __future__ import annotations

from pulseq.planning.queued import QueuedTest
from pulseq.records import SentTo
from pulseq.run.in_flight import DispatchInFlight, InFlight, begun_of
from pulseq.run.ledger import Begun

ONE, TWO = ("one", ""), ("two", "")


def _dispatch(node_id: str, *keys: tuple[str, str]) -> DispatchInFlight:
    tests = {key: QueuedTest(key, number, ()) for number, key in enumerate(keys)}
    return DispatchInFlight(node_id, tests, frozenset(keys[:1]))


def test_a_dispatch_lands_once() -> None:
    in_flight = InFlight()
    dispatch = _dispatch("node1", ONE)
    in_flight.add("1", dispatch)

    assert in_flight.land("1") is dispatch
    assert in_flight.land("1") is None
    assert not in_flight


def test_a_test_is_found_in_its_dispatch_until_that_has_landed() -> None:
    in_flight = InFlight()
    dispatch = _dispatch("node1", ONE, TWO)
    in_flight.add("1", dispatch)

    assert in_flight.carrying(SentTo("node1", "1")) is dispatch
    assert in_flight.carrying(SentTo("node1", "2")) is None
    assert in_flight.carrying(None) is None
    in_flight.land("1")
    assert in_flight.carrying(SentTo("node1", "1")) is None


def test_a_lost_node_takes_its_dispatches_and_no_others() -> None:
    in_flight = InFlight()
    lost, kept = _dispatch("node1", ONE), _dispatch("node2", TWO)
    in_flight.add("1", lost)
    in_flight.add("2", kept)

    assert in_flight.lose_node("node1") == [lost]
    assert in_flight.land("2") is kept


def test_what_is_under_way_on_a_node_is_known() -> None:
    in_flight = InFlight()
    in_flight.add("1", _dispatch("node1", ONE))
    assert (True, False) == (in_flight.is_on("node1"), in_flight.is_on("node2"))
    in_flight.land("1")

    assert not in_flight.is_on("node1")


def test_a_slot_is_handed_on_to_what_follows() -> None:
    in_flight = InFlight()
    first, second = _dispatch("node1", ONE), _dispatch("node1", TWO)
    second.follows = "1"
    in_flight.add("1", first)
    in_flight.add("2", second)
    assert in_flight.follower_of("1") == ("2", second)

    assert in_flight.land("1") is first
    assert in_flight.hand_on("1", first)
    assert in_flight.land("2") is second
    assert not in_flight.hand_on("2", second)


def test_what_does_not_get_through_has_no_slot_to_hand_on() -> None:
    in_flight = InFlight()
    first, second = _dispatch("node1", ONE), _dispatch("node1", TWO)
    second.follows = "1"
    in_flight.add("1", first)
    in_flight.add("2", second)

    assert in_flight.land("2") is second
    assert in_flight.hand_on("2", second)
    assert in_flight.follower_of("1") is None
    assert in_flight.land("1") is first
    assert not in_flight.hand_on("1", first)


def test_a_lost_node_takes_what_was_only_prefetched_too() -> None:
    in_flight = InFlight()
    prefetched = _dispatch("node1", TWO)
    prefetched.follows = "1"
    in_flight.add("1", _dispatch("node1", ONE))
    in_flight.add("2", prefetched)

    assert prefetched in in_flight.lose_node("node1")
    assert (in_flight.on("node1"), in_flight.is_on("node1")) == ({}, False)


THREE, FOUR = ("three", ""), ("four", "")


def test_of_a_lost_dispatch_the_first_counts_as_begun_and_the_others_may_have() -> None:
    assert {ONE: Begun.NEXT, TWO: Begun.PERHAPS} == begun_of([_dispatch("n", ONE, TWO)], slots=1)


def test_where_one_had_said_that_it_began_those_after_it_may_have() -> None:
    dispatch = _dispatch("n", ONE, TWO)
    dispatch.begin(ONE)
    assert {ONE: Begun.PERHAPS, TWO: Begun.PERHAPS} == begun_of([dispatch], slots=1)


def test_after_a_result_the_next_one_counts_as_begun() -> None:
    dispatch = _dispatch("n", ONE, TWO)
    dispatch.begin(ONE)
    del dispatch.tests[ONE]
    assert {TWO: Begun.NEXT} == begun_of([dispatch], slots=1)


def test_as_many_dispatches_are_at_work_as_there_are_slots_first_those_that_had_begun() -> None:
    waiting, running = _dispatch("n", ONE), _dispatch("n", TWO)
    running.begin(TWO)
    assert {ONE: Begun.PERHAPS, TWO: Begun.PERHAPS} == begun_of([waiting, running], slots=1)
    assert {ONE: Begun.NEXT, TWO: Begun.PERHAPS} == begun_of([waiting, running], slots=2)


def test_what_was_to_follow_has_not_begun_as_long_as_there_is_anything_to_follow() -> None:
    follower = _dispatch("n", THREE, FOUR)
    follower.follows = "1"
    assert {Begun.NO} == {begun_of([_dispatch("n", ONE), follower], slots=1)[key] for key in (THREE, FOUR)}
    assert {THREE: Begun.PERHAPS, FOUR: Begun.PERHAPS} == begun_of([_dispatch("n"), follower], slots=1)
