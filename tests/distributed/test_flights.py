"""Dispatches under way."""

from __future__ import annotations

from pulseq.distributed.flights import Flight, Flights
from pulseq.planning.queued import QueuedTest

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
