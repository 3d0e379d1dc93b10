"""Prefetch: what follows a dispatch on its slot, sent before that is done, since a node has asked for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from pulseq.models import PytestItemBody
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import SHORT_WAIT_SECONDS, Pick
from pulseq.protocol.from_node import NextAsked
from pulseq.protocol.to_node import NoNext
from pulseq.run.in_flight import InFlight
from pulseq.run.ledger import Ledger
from pulseq.run.run_queue import RunQueue


class Prefetch:
    """Answers what nodes ask about the dispatches that they have.

    Args:
        steal: asks busy slots for what a slot of a node goes on with; whether an answer is to come.
        send: sends a pick that will have the slot of a dispatch, given by its key.
        decline: tells a node that nothing is sent to follow.
    """

    def __init__(
        self,
        in_flight: InFlight,
        queue: RunQueue,
        ledger: Ledger,
        steal: Callable[[str, Callable[[QueuedTest], bool], float], bool],
        send: Callable[[Pick, str], None],
        decline: Callable[[str, NoNext], None],
    ) -> None:
        self._in_flight = in_flight
        self._queue = queue
        self._ledger = ledger
        self._steal = steal
        self._send = send
        self._decline = decline

    def answer(self, node_id: str, question: NextAsked, *, admitting: bool) -> bool:
        """Answer a node, once what is idle has had its own; nothing follows where nothing more is sent.

        Returns:
            whether it is answered: busy slots may first have to say what they give back.
        """
        last = self._last_of(node_id, question.key)
        follower = self._in_flight.follower_of(question.key)
        if last is None or (follower is not None and follower[0] not in question.held):
            return True  # it is over, or what follows is on its way
        taken = question.taken or follower is not None
        coming = None if taken else self._on_its_way(node_id, question)
        waits = admitting and self._queue.waits_for(node_id) and self._wait_for_slots(last)
        if admitting and coming is None and not taken:
            if (pick := self._pick(node_id, last)) is not None:
                self._send(pick, question.key)
                return True
            if not waits and self._may_steal_for(node_id, last):
                return False
        more = waits or (admitting and self._may_be_given_back(last))
        self._decline(node_id, NoNext(question.key, coming, more))
        return True

    def _on_its_way(self, node_id: str, question: NextAsked) -> str | None:
        """What will wait there for any slot, and the node has not got yet: the first of it."""
        there = self._in_flight.on(node_id).items()
        return next((key for key, one in there if one.follows is None and key not in question.held), None)

    def _last_of(self, node_id: str, key: str) -> QueuedTest | None:
        dispatch = self._in_flight.on(node_id).get(key)
        return None if dispatch is None else next(reversed(dispatch.tests.values()), None)

    def _pick(self, node_id: str, last: QueuedTest) -> Pick | None:
        entry = self._entry_of(last)
        return self._queue.prefetch(
            node_id, self._queue.seconds_of(last), lambda test: self._keeps_its_runner(test, entry)
        )

    def _wait_for_slots(self, last: QueuedTest) -> bool:
        """Whether items of this one's session are in no dispatch: they may come to its slot later."""
        entry = self._entry_of(last)
        if entry is None:
            return False
        untried = self._ledger.untried_items(entry)
        return len(untried) > sum(len(untried & one.tests.keys()) for one in self._in_flight.by_key.values())

    def _may_be_given_back(self, last: QueuedTest) -> bool:
        """Whether other slots have items of this one's session that pytest has not been told of as the next ones."""
        entry = self._entry_of(last)
        if entry is None or last.ordered or not self._queue.may_steal:
            return False
        others = (one for one in self._in_flight.by_key.values() if last.key not in one.tests)
        return any(
            sum(self._entry_of(test) == entry for test in one.not_begun()) > (1 if one.running is not None else 2)
            for one in others
        )

    def _may_steal_for(self, node_id: str, last: QueuedTest) -> bool:
        entry = self._entry_of(last)
        if entry is None or self._queue.seconds_of(last) > SHORT_WAIT_SECONDS:
            return False  # who has them now may come to them sooner
        return self._steal(node_id, lambda test: self._keeps_its_runner(test, entry), time.monotonic())

    def _keeps_its_runner(self, test: QueuedTest, entry: str | None) -> bool:
        """Whether a runner of an entry goes on with a test: one that is tried again by itself gets a new one."""
        again = test.pack is None and self._ledger.test(test.key).next_attempt > 1
        return entry is not None and self._entry_of(test) == entry and not again

    def _entry_of(self, test: QueuedTest) -> str | None:
        body = self._ledger.case(test.key).body
        return body.entry if isinstance(body, PytestItemBody) else None
