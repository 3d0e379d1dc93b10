"""What follows a dispatch on its slot, sent before that is done: a node has asked for it."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.models import PytestItemBody
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.from_node import NextAsked
from pulseq.run.flights import Flights
from pulseq.run.ledger import Ledger
from pulseq.run.run_queue import RunQueue


class Promises:
    """Answers what nodes ask about the dispatches that they have.

    Args:
        send: sends a pick that will have the slot of a dispatch, given by its key.
        decline: tells a node that nothing is sent to follow: (dispatch, node, what is on its way for any slot).
    """

    def __init__(
        self,
        flights: Flights,
        queue: RunQueue,
        ledger: Ledger,
        send: Callable[[Pick, str], None],
        decline: Callable[[str, str, str | None], None],
    ) -> None:
        self._flights = flights
        self._queue = queue
        self._ledger = ledger
        self._send = send
        self._decline = decline
        self._asked: list[tuple[str, NextAsked]] = []

    def ask(self, node_id: str, question: NextAsked) -> None:
        """A node wants to know; it is told at the next `answer`."""
        self._asked.append((node_id, question))

    def answer(self, *, admitting: bool) -> None:
        """Answer all that was asked; nothing follows where nothing more is sent."""
        asked, self._asked = self._asked, []
        for node_id, question in asked:
            if self._flights.follower_of(question.key) is not None:
                continue  # it is on its way
            coming = self._on_its_way(node_id, question)
            pick = self._pick(node_id, question.key) if admitting and coming is None else None
            if pick is None:
                self._decline(question.key, node_id, coming)
            else:
                self._send(pick, question.key)

    def _on_its_way(self, node_id: str, question: NextAsked) -> str | None:
        """What will wait there for any slot, and the node has not got yet: the first of it."""
        there = self._flights.on(node_id).items()
        return next((key for key, one in there if one.follows is None and key not in question.held), None)

    def _pick(self, node_id: str, key: str) -> Pick | None:
        flight = self._flights.on(node_id).get(key)
        last = None if flight is None else next(reversed(flight.tests.values()), None)
        if last is None:
            return None
        entry = self._entry_of(last)
        return self._queue.promise(
            node_id, self._queue.seconds_of(last), lambda test: self._keeps_its_runner(test, entry)
        )

    def _keeps_its_runner(self, test: QueuedTest, entry: str | None) -> bool:
        """Whether a runner of an entry goes on with a test: one that is tried again by itself gets a new one."""
        again = test.pack is None and self._ledger.next_attempt(test.key) > 1
        return entry is not None and self._entry_of(test) == entry and not again

    def _entry_of(self, test: QueuedTest) -> str | None:
        body = self._ledger.case(test.key).body
        return body.entry if isinstance(body, PytestItemBody) else None
