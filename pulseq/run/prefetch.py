"""Prefetch: what follows a dispatch on its slot, sent before that is done, since a node has asked for it."""

from __future__ import annotations

from collections.abc import Callable

from pulseq.models import PytestItemBody
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.from_node import NextAsked
from pulseq.protocol.to_node import NoNext
from pulseq.run.in_flight import InFlight
from pulseq.run.ledger import Ledger
from pulseq.run.run_queue import RunQueue


class Prefetch:
    """Answers what nodes ask about the dispatches that they have.

    Args:
        send: sends a pick that will have the slot of a dispatch, given by its key.
        decline: tells a node that nothing is sent to follow.
    """

    def __init__(
        self,
        in_flight: InFlight,
        queue: RunQueue,
        ledger: Ledger,
        send: Callable[[Pick, str], None],
        decline: Callable[[str, NoNext], None],
    ) -> None:
        self._in_flight = in_flight
        self._queue = queue
        self._ledger = ledger
        self._send = send
        self._decline = decline

    def answer(self, node_id: str, question: NextAsked, *, admitting: bool) -> None:
        """Answer a node, once what is idle has had its own; nothing follows where nothing more is sent."""
        follower = self._in_flight.follower_of(question.key)
        if follower is not None and follower[0] not in question.held:
            return  # it is on its way
        taken = question.taken or follower is not None
        coming = None if taken else self._on_its_way(node_id, question)
        pick = self._pick(node_id, question.key) if admitting and coming is None and not taken else None
        if pick is None:
            more = admitting and self._may_have_more(node_id, question.key)
            self._decline(node_id, NoNext(question.key, coming, more))
        else:
            self._send(pick, question.key)

    def _on_its_way(self, node_id: str, question: NextAsked) -> str | None:
        """What will wait there for any slot, and the node has not got yet: the first of it."""
        there = self._in_flight.on(node_id).items()
        return next((key for key, one in there if one.follows is None and key not in question.held), None)

    def _pick(self, node_id: str, key: str) -> Pick | None:
        dispatch = self._in_flight.on(node_id).get(key)
        last = None if dispatch is None else next(reversed(dispatch.tests.values()), None)
        if last is None:
            return None
        entry = self._entry_of(last)
        return self._queue.prefetch(
            node_id, self._queue.seconds_of(last), lambda test: self._keeps_its_runner(test, entry)
        )

    def _may_have_more(self, node_id: str, key: str) -> bool:
        """Whether items of the session that a dispatch ends with may come to its slot later: some wait elsewhere."""
        dispatch = self._in_flight.on(node_id).get(key)
        last = None if dispatch is None else next(reversed(dispatch.tests.values()), None)
        entry = None if last is None else self._entry_of(last)
        if dispatch is None or entry is None:
            return False
        running = {one.running for one in self._in_flight.by_key.values() if one.running is not None}
        untried = self._ledger.untried_items(entry)
        return len(untried) > len(untried & (running | dispatch.tests.keys()))

    def _keeps_its_runner(self, test: QueuedTest, entry: str | None) -> bool:
        """Whether a runner of an entry goes on with a test: one that is tried again by itself gets a new one."""
        again = test.pack is None and self._ledger.test(test.key).next_attempt > 1
        return entry is not None and self._entry_of(test) == entry and not again

    def _entry_of(self, test: QueuedTest) -> str | None:
        body = self._ledger.case(test.key).body
        return body.entry if isinstance(body, PytestItemBody) else None
