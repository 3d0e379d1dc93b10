"""Dispatches under way."""

from __future__ import annotations

from uuid import uuid4

from pulseq.orchestration.delivery import OnLostNode
from pulseq.planning.queued import QueuedTest
from pulseq.run.flights import Flight, Flights, begun_of
from pulseq.run.ledger import Begun

ONE, TWO = ("one", ""), ("two", "")


def _flight(node_id: str, *keys: tuple[str, str]) -> Flight:
    tests = {key: QueuedTest(key, number, ()) for number, key in enumerate(keys)}
    return Flight(node_id, tests, frozenset(keys[:1]))


def test_a_flight_lands_once() -> None:
    flights = Flights()
    flight = _flight("node1", ONE)
    flights.add("1", flight)

    assert flights.land("1") is flight
    assert flights.land("1") is None
    assert not flights


def test_only_what_prefect_retries_there_is_in_place() -> None:
    flights = Flights()
    flights.add("1", _flight("node1", ONE, TWO))

    assert flights.is_in_place(ONE)
    assert not flights.is_in_place(TWO)
    flights.land("1")
    assert not flights.is_in_place(ONE)


def test_a_test_that_is_dropped_is_no_concern_of_its_flight() -> None:
    flights = Flights()
    flights.add("1", _flight("node1", ONE, TWO))

    flights.drop(ONE)

    flight = flights.land("1")
    assert flight is not None
    assert list(flight.tests) == [TWO]


def test_a_lost_node_takes_its_flights_and_no_others() -> None:
    flights = Flights()
    lost, kept = _flight("node1", ONE), _flight("node2", TWO)
    flights.add("1", lost)
    flights.add("2", kept)

    assert flights.land_node("node1") == [lost]
    assert flights.land("2") is kept


def test_of_a_lost_node_every_task_run_is_known_and_which_have_begun() -> None:
    first, second = uuid4(), uuid4()
    flights = Flights()
    flight = Flight("node1", _flight("node1", ONE, TWO).tests, frozenset(), {first: "one", second: "two"})
    flights.add("1", flight)

    flights.begin(ONE, str(first))
    (lost,) = flights.land_node("node1")

    assert lost.on_lost_node() == [OnLostNode(first, "one", begun=True), OnLostNode(second, "two", begun=False)]


def test_what_is_under_way_on_a_node_is_known() -> None:
    flights = Flights()
    flights.add("1", _flight("node1", ONE))
    assert (True, False) == (flights.is_on("node1"), flights.is_on("node2"))
    flights.land("1")

    assert not flights.is_on("node1")


def test_a_slot_is_handed_on_to_what_follows() -> None:
    flights = Flights()
    first, second = _flight("node1", ONE), _flight("node1", TWO)
    second.follows = "1"
    flights.add("1", first)
    flights.add("2", second)
    assert flights.follower_of("1") == ("2", second)

    assert flights.land("1") is first
    assert flights.hand_on("1", first)
    assert flights.land("2") is second
    assert not flights.hand_on("2", second)


def test_what_does_not_get_through_has_no_slot_to_hand_on() -> None:
    flights = Flights()
    first, second = _flight("node1", ONE), _flight("node1", TWO)
    second.follows = "1"
    flights.add("1", first)
    flights.add("2", second)

    assert flights.land("2") is second
    assert flights.hand_on("2", second)
    assert flights.follower_of("1") is None
    assert flights.land("1") is first
    assert not flights.hand_on("1", first)


def test_a_lost_node_takes_what_was_only_promised_too() -> None:
    flights = Flights()
    promised = _flight("node1", TWO)
    promised.follows = "1"
    flights.add("1", _flight("node1", ONE))
    flights.add("2", promised)

    assert promised in flights.land_node("node1")
    assert (flights.on("node1"), flights.is_on("node1")) == ({}, False)


THREE, FOUR = ("three", ""), ("four", "")


def test_of_a_lost_dispatch_the_first_counts_as_begun_and_the_others_may_have() -> None:
    assert {ONE: Begun.NEXT, TWO: Begun.PERHAPS} == begun_of([_flight("n", ONE, TWO)], slots=1)


def test_where_one_had_said_that_it_began_those_after_it_may_have() -> None:
    flight = _flight("n", ONE, TWO)
    flight.begin(ONE, None)
    assert {ONE: Begun.PERHAPS, TWO: Begun.PERHAPS} == begun_of([flight], slots=1)


def test_after_a_result_the_next_one_counts_as_begun() -> None:
    flight = _flight("n", ONE, TWO)
    flight.begin(ONE, None)
    del flight.tests[ONE]
    assert {TWO: Begun.NEXT} == begun_of([flight], slots=1)


def test_as_many_dispatches_are_at_work_as_there_are_slots_first_those_that_had_begun() -> None:
    waiting, running = _flight("n", ONE), _flight("n", TWO)
    running.begin(TWO, None)
    assert {ONE: Begun.PERHAPS, TWO: Begun.PERHAPS} == begun_of([waiting, running], slots=1)
    assert {ONE: Begun.NEXT, TWO: Begun.PERHAPS} == begun_of([waiting, running], slots=2)


def test_what_was_to_follow_has_not_begun_as_long_as_there_is_anything_to_follow() -> None:
    follower = _flight("n", THREE, FOUR)
    follower.follows = "1"
    assert {Begun.NO} == {begun_of([_flight("n", ONE), follower], slots=1)[key] for key in (THREE, FOUR)}
    assert {THREE: Begun.PERHAPS, FOUR: Begun.PERHAPS} == begun_of([_flight("n"), follower], slots=1)
