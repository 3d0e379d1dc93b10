"""Tests that end without an attempt, such as those that no node fits: Prefect's pages would not know of them."""

from __future__ import annotations

import time
from uuid import uuid4

from pulseq.events import Event, TestClosed
from pulseq.models import Reason, Status
from pulseq.orchestration.unstarted import UnstartedTest
from pulseq.protocol.work import name_task_run
from pulseq.reports.text import safe_line
from pulseq.reports.wording import say_test
from pulseq.run.ledger import Ledger

#: As of other failures: the database has all of them.
MOST_TOLD = 500


class UnstartedLog:
    """Gathers them; `handle` is a sink of the run's events.

    Args:
        most: so many in all.

    Attributes:
        told: how many Prefect was told of, by whoever took them.
        task_runs: the task run of each test, by its key.
    """

    def __init__(self, ledger: Ledger, most: int = MOST_TOLD) -> None:
        self.told = 0
        self.task_runs: dict[tuple[str, str], str] = {}
        self._ledger = ledger
        self._most = most
        self._waiting: list[UnstartedTest] = []

    def handle(self, event: Event) -> None:
        """Take note of a test that has ended so. What was not run, since somebody stopped the run, is none."""
        if not isinstance(event, TestClosed) or event.status is not Status.ERROR or event.attempts:
            return
        key = (event.test_id, event.variant)
        if event.reason is None or event.reason is Reason.CANCELLED or not self._ledger.knows(key):
            return
        if key in self.task_runs or len(self.task_runs) >= self._most:
            return
        name = name_task_run(say_test(*key), None, [self._ledger.case(key)])
        self.task_runs[key] = str(uuid4())
        why = safe_line(event.error or "")
        self._waiting.append(UnstartedTest(self.task_runs[key], name, event.reason, why, time.time()))

    def take(self) -> list[UnstartedTest]:
        """Those since the last call."""
        tests, self._waiting = self._waiting, []
        return tests
