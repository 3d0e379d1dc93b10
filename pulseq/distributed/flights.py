"""Dispatches that are on their way or at work, found by their key and by the tests that they carry."""

from __future__ import annotations

from dataclasses import dataclass

from pulseq.distributed.ledger import Key
from pulseq.planning.queued import QueuedTest


@dataclass(slots=True)
class Flight:
    """A dispatch under way, with those of its tests that have no verdict yet.

    Attributes:
        in_place: the tests that Prefect retries on the node, in the same task run.
    """

    node_id: str
    tests: dict[Key, QueuedTest]
    in_place: frozenset[Key]


class Flights:
    """Every dispatch under way; a test is on one of them at most."""

    def __init__(self) -> None:
        self._by_key: dict[str, Flight] = {}
        self._by_test: dict[Key, Flight] = {}

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def add(self, key: str, flight: Flight) -> None:
        """A dispatch leaves."""
        self._by_key[key] = flight
        self._by_test.update(dict.fromkeys(flight.tests, flight))

    def land(self, key: str) -> Flight | None:
        """A dispatch is done; None for one that is not known any more."""
        flight = self._by_key.pop(key, None)
        for test in flight.tests if flight is not None else ():
            self._by_test.pop(test, None)
        return flight

    def land_node(self, node_id: str) -> list[Flight]:
        """All that was on a node that is gone."""
        keys = [key for key, flight in self._by_key.items() if flight.node_id == node_id]
        return [flight for key in keys if (flight := self.land(key)) is not None]

    def is_in_place(self, test: Key) -> bool:
        """Whether Prefect retries this test where it is."""
        flight = self._by_test.get(test)
        return flight is not None and test in flight.in_place

    def drop(self, test: Key) -> None:
        """A test has nothing more to expect of its dispatch."""
        if flight := self._by_test.pop(test, None):
            flight.tests.pop(test, None)

    def clear(self) -> None:
        """Forget all: nobody is there any more."""
        self._by_key.clear()
        self._by_test.clear()
