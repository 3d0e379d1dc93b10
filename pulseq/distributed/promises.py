"""What follows a dispatch on its slot, sent before that is done: a node has asked for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pulseq.distributed.flights import Flight, Flights
from pulseq.distributed.ledger import Ledger
from pulseq.distributed.run_queue import RunQueue
from pulseq.engine.work import NextAsked
from pulseq.models import PytestItemBody
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick


class Promises:
    """Answers what nodes ask about the dispatches that they have.

    Args:
        send: sends a pick that will have the slot of a dispatch, given by its key.
        decline: tells a node that nothing is known to follow: (dispatch, node).
    """

    def __init__(
        self,
        flights: Flights,
        queue: RunQueue,
        ledger: Ledger,
        send: Callable[[Pick, str], None],
        decline: Callable[[str, str], None],
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
            pick = self._pick(node_id, question) if admitting else None
            if pick is None:
                self._decline(question.key, node_id)
            else:
                self._send(pick, question.key)

    def _pick(self, node_id: str, question: NextAsked) -> Pick | None:
        there = self._flights.on(node_id)
        flight = there.get(question.key)
        last = None if flight is None else next(reversed(flight.tests.values()), None)
        if last is None or _more_is_on_its_way(there, question):
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


def _more_is_on_its_way(there: Mapping[str, Flight], question: NextAsked) -> bool:
    """Whether the node does not have yet what will wait there for any slot: it looks again when it is declined."""
    return any(flight.follows is None and key not in question.held for key, flight in there.items())
