"""Tests that end without an attempt, such as those that no node fits: Prefect's pages would not know of them."""

from __future__ import annotations

import time

from pulseq.distributed.ledger import Ledger
from pulseq.engine.unstarted import UnstartedTest
from pulseq.engine.work import name_task_run
from pulseq.events import Event, TestClosed
from pulseq.models import Reason, Status
from pulseq.reports.text import safe_line
from pulseq.reports.wording import say_test

#: As of other failures: the database has all of them.
MOST_TOLD = 500


class UnstartedLog:
    """Gathers them; `handle` is a sink of the run's events.

    Args:
        most: so many in all.
    """

    def __init__(self, ledger: Ledger, most: int = MOST_TOLD) -> None:
        self.told = 0
        self._ledger = ledger
        self._most = most
        self._waiting: list[UnstartedTest] = []

    def handle(self, event: Event) -> None:
        """Take note of a test that has ended so. What was not run, since somebody stopped the run, is none."""
        if not isinstance(event, TestClosed) or event.status is not Status.ERROR or event.attempts:
            return
        key = (event.test_id, event.variant)
        if event.reason is None or event.reason is Reason.CANCELLED or not self._ledger.knows(key) or self._full:
            return
        name = name_task_run(say_test(*key), None, [self._ledger.case(key)])
        self._waiting.append(UnstartedTest(name, event.reason, safe_line(event.error or ""), time.time()))

    @property
    def _full(self) -> bool:
        return self.told + len(self._waiting) >= self._most

    def take(self) -> list[UnstartedTest]:
        """Those since the last call."""
        tests, self._waiting = self._waiting, []
        self.told += len(tests)
        return tests
