"""Dispatches that are on their way or at work, found by their key and by the tests that they carry."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pulseq.orchestration.delivery import OnLostNode
from pulseq.planning.queued import QueuedTest
from pulseq.run.ledger import Begun, Key


@dataclass(slots=True)
class Flight:
    """A dispatch under way, with those of its tests that have no verdict yet.

    Attributes:
        in_place: the tests that Prefect retries on the node, in the same task run.
        follows: the dispatch whose slot it gets when that has landed; until then it holds none.
        task_runs: the names of its task runs, by their id.
        begun: the ids, as text, of those that the node has begun.
        scopes_begun: packs and scopes of which the node has begun a test: the others of these have to stay there.
        running: the test that the node said last that it has begun, and `began_at` when that was (monotonic).
    """

    node_id: str
    tests: dict[Key, QueuedTest]
    in_place: frozenset[Key]
    task_runs: Mapping[UUID, str] = field(default_factory=dict)
    follows: str | None = None
    begun: set[str] = field(default_factory=set)
    scopes_begun: set[tuple[object, str]] = field(default_factory=set)
    running: Key | None = None
    began_at: float = 0.0
    _tests_begun: set[Key] = field(default_factory=set)

    def begin(self, test: Key, task_run: str | None) -> None:
        """The node has begun a test, in this task run."""
        if task_run is not None:
            self.begun.add(task_run)
        self.running, self.began_at = test, time.monotonic()
        self._tests_begun.add(test)
        queued = self.tests.get(test)
        if queued is not None and queued.scope is not None:
            self.scopes_begun.add((queued.pack, queued.scope))

    def not_begun(self) -> list[QueuedTest]:
        """The tests that the node has not begun, as far as is known here, in their order."""
        return [test for key, test in self.tests.items() if key not in self._tests_begun]

    def on_lost_node(self) -> list[OnLostNode]:
        """Its task runs, should its node be lost."""
        return [OnLostNode(id, name, str(id) in self.begun) for id, name in self.task_runs.items()]


class Flights:
    """Every dispatch under way; a test is on one of them at most.

    Attributes:
        by_key: all of them, by the keys of their dispatches, the first that left first.
    """

    def __init__(self) -> None:
        self.by_key: dict[str, Flight] = {}
        self._by_test: dict[Key, Flight] = {}
        self._by_node: dict[str, dict[str, Flight]] = {}
        self._followers: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.by_key)

    def add(self, key: str, flight: Flight) -> None:
        """A dispatch leaves."""
        self.by_key[key] = flight
        self._by_node.setdefault(flight.node_id, {})[key] = flight
        if flight.follows is not None:
            self._followers[flight.follows] = key
        self._by_test.update(dict.fromkeys(flight.tests, flight))

    def begin(self, test: Key, task_run: str | None) -> None:
        """A node has begun a test, in this task run."""
        if flight := self._by_test.get(test):
            flight.begin(test, task_run)

    def is_on(self, node_id: str) -> bool:
        """Whether anything is under way on a node."""
        return node_id in self._by_node

    def on(self, node_id: str) -> Mapping[str, Flight]:
        """What is under way on a node, by the keys of the dispatches."""
        return self._by_node.get(node_id, {})

    def follower_of(self, key: str) -> tuple[str, Flight] | None:
        """What gets the slot of a dispatch when that has landed, with the key of it."""
        follower = self._followers.get(key, "")
        return (follower, self.by_key[follower]) if follower in self.by_key else None

    def land(self, key: str) -> Flight | None:
        """A dispatch is done; None for one that is not known any more."""
        return self._remove(key)

    def hand_on(self, key: str, landed: Flight) -> bool:
        """Give the slot of a dispatch that has landed to the one that follows; False where it is free now."""
        if landed.follows is not None:  # it never had one
            return True
        following = self.follower_of(key)
        self._followers.pop(key, None)
        if following is not None:
            following[1].follows = None
        return following is not None

    def _remove(self, key: str) -> Flight | None:
        flight = self.by_key.pop(key, None)
        if flight is None:
            return None
        there = self._by_node[flight.node_id]
        del there[key]
        if not there:
            del self._by_node[flight.node_id]
        for test in flight.tests:
            self._by_test.pop(test, None)
        return flight

    def land_node(self, node_id: str) -> list[Flight]:
        """All that was on a node that is gone."""
        keys = list(self.on(node_id))
        lost = [flight for key in keys if (flight := self._remove(key)) is not None]
        for key in keys:
            self._followers.pop(key, None)
        return lost

    def find(self, test: Key) -> QueuedTest | None:
        """A test that is on its way, as it was queued."""
        flight = self._by_test.get(test)
        return flight.tests.get(test) if flight is not None else None

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
        for book in (self.by_key, self._by_test, self._by_node, self._followers):
            book.clear()


def begun_of(lost: Iterable[Flight], slots: int) -> dict[Key, Begun]:
    """What may have begun, of all that was on a node with so many slots: what it said last did not come home."""
    flights = list(lost)
    begun: dict[Key, Begun] = {}
    at_work = sorted((one for one in flights if one.follows is None), key=lambda one: one.running is None)[:slots]
    for flight in flights:
        # What it was to follow is done, or nearly: its last result may have been on its way.
        waits = flight.follows is not None and any(other.tests for other in flights if other is not flight)
        first = Begun.NEXT if flight in at_work and flight.running not in flight.tests else Begun.PERHAPS
        for key in flight.tests:
            begun[key] = Begun.NO if waits else first
            first = Begun.PERHAPS
    return begun
