"""Dispatches that are on their way or at work, found by their keys."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pulseq.models import Key
from pulseq.planning.queued import QueuedTest
from pulseq.records import SentTo
from pulseq.run.ledger import Begun


@dataclass(slots=True)
class DispatchInFlight:
    """A dispatch in flight, with those of its tests that have no verdict yet.

    Attributes:
        in_place: the tests that Prefect retries on the node, in the same task run.
        follows: the dispatch whose slot it gets when that has landed; until then it holds none.
        task_runs: the names of its task runs, by their id.
        scopes_begun: packs and scopes of which the node has begun a test: the others of these have to stay there.
        running: the test that the node said last that it has begun, and `began_at` when that was (monotonic).
    """

    node_id: str
    tests: dict[Key, QueuedTest]
    in_place: frozenset[Key]
    task_runs: Mapping[UUID, str] = field(default_factory=dict)
    follows: str | None = None
    scopes_begun: set[tuple[object, str]] = field(default_factory=set)
    running: Key | None = None
    began_at: float = 0.0
    _tests_begun: set[Key] = field(default_factory=set)

    def begin(self, test: Key) -> None:
        """The node has begun a test."""
        self.running, self.began_at = test, time.monotonic()
        self._tests_begun.add(test)
        queued = self.tests.get(test)
        if queued is not None and queued.scope is not None:
            self.scopes_begun.add((queued.pack, queued.scope))

    def not_begun(self) -> list[QueuedTest]:
        """The tests that the node has not begun, as far as is known here, in their order."""
        return [test for key, test in self.tests.items() if key not in self._tests_begun]


class InFlight:
    """Every dispatch in flight; a test is in one of them at most.

    Attributes:
        by_key: all of them, by their keys, the first that left first.
    """

    def __init__(self) -> None:
        self.by_key: dict[str, DispatchInFlight] = {}
        self._by_node: dict[str, dict[str, DispatchInFlight]] = {}
        self._followers: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.by_key)

    def add(self, key: str, dispatch: DispatchInFlight) -> None:
        """A dispatch leaves."""
        self.by_key[key] = dispatch
        self._by_node.setdefault(dispatch.node_id, {})[key] = dispatch
        if dispatch.follows is not None:
            self._followers[dispatch.follows] = key

    def carrying(self, sent: SentTo | None) -> DispatchInFlight | None:
        """The dispatch that carries a test which was sent so; None for one that has landed."""
        return None if sent is None else self.by_key.get(sent.dispatch)

    def is_on(self, node_id: str) -> bool:
        """Whether anything is under way on a node."""
        return node_id in self._by_node

    def on(self, node_id: str) -> Mapping[str, DispatchInFlight]:
        """What is under way on a node, by the keys of the dispatches."""
        return self._by_node.get(node_id, {})

    def follower_of(self, key: str) -> tuple[str, DispatchInFlight] | None:
        """What gets the slot of a dispatch when that has landed, with the key of it."""
        follower = self._followers.get(key, "")
        return (follower, self.by_key[follower]) if follower in self.by_key else None

    def land(self, key: str) -> DispatchInFlight | None:
        """A dispatch is done; None for one that is not known any more."""
        dispatch = self.by_key.pop(key, None)
        if dispatch is None:
            return None
        there = self._by_node[dispatch.node_id]
        del there[key]
        if not there:
            del self._by_node[dispatch.node_id]
        return dispatch

    def hand_on(self, key: str, landed: DispatchInFlight) -> bool:
        """Give the slot of a dispatch that has landed to the one that follows; False where it is free now."""
        if landed.follows is not None:  # it never had one
            return True
        following = self.follower_of(key)
        self._followers.pop(key, None)
        if following is not None:
            following[1].follows = None
        return following is not None

    def lose_node(self, node_id: str) -> list[DispatchInFlight]:
        """All that was on a node that is gone."""
        keys = list(self.on(node_id))
        lost = [dispatch for key in keys if (dispatch := self.land(key)) is not None]
        for key in keys:
            self._followers.pop(key, None)
        return lost

    def clear(self) -> None:
        """Forget all: nobody is there any more."""
        for book in (self.by_key, self._by_node, self._followers):
            book.clear()


def begun_of(lost: Iterable[DispatchInFlight], slots: int) -> dict[Key, Begun]:
    """What may have begun, of all that was on a node with so many slots: what it said last did not come home."""
    dispatches = list(lost)
    begun: dict[Key, Begun] = {}
    at_work = sorted((one for one in dispatches if one.follows is None), key=lambda one: one.running is None)[:slots]
    for dispatch in dispatches:
        # What it was to follow is done, or nearly: its last result may have been on its way.
        waits = dispatch.follows is not None and any(other.tests for other in dispatches if other is not dispatch)
        first = Begun.NEXT if dispatch in at_work and dispatch.running not in dispatch.tests else Begun.PERHAPS
        for key in dispatch.tests:
            begun[key] = Begun.NO if waits else first
            first = Begun.PERHAPS
    return begun
