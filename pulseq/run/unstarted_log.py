"""Tests that end without an attempt, such as those that no node fits: Prefect's pages would not know of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

from pulseq.events import Event, TestClosed
from pulseq.models import Key, Reason, Status
from pulseq.orchestration.task_run_events import failed_at_once
from pulseq.protocol.from_node import TaskRunState
from pulseq.protocol.work import name_task_run
from pulseq.reports.wording import say_test
from pulseq.run.ledger import Ledger
from pulseq.safe_text import safe_line

#: As of other failures: the database has all of them.
MOST_TOLD = 500


class UnstartedLog:
    """Has Prefect told of them; `handle` is a sink of the run's events.

    Args:
        tell: given the only state of each.
        most: so many in all.

    Attributes:
        task_runs: the task run of each test, by its key.
    """

    def __init__(self, ledger: Ledger, tell: Callable[[TaskRunState], None], most: int = MOST_TOLD) -> None:
        self.task_runs: dict[Key, str] = {}
        self._ledger = ledger
        self._tell = tell
        self._most = most

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
        id = uuid4()
        self.task_runs[key] = str(id)
        self._tell(failed_at_once(id, name, event.reason, safe_line(event.error or ""), time.time()))
