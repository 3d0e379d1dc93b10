"""What failed attempts said, as lines for the log of their task runs: the page of one shows little else."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType

from pulseq.events import AttemptFinished, AttemptStarted, Event, TestClosed
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Reason, Status
from pulseq.orchestration.run_log import LogLine
from pulseq.reports.wording import say_seconds, say_test
from pulseq.safe_text import last_lines, safe_line

#: Each is a row of the API's database; the table of failures and DuckDB have the others.
MOST_LINES = 500
_ERROR_LINES = 40
_OUTPUT_LINES = 20
_LINE_CHARACTERS = 300
_BAD = (Status.FAILED, Status.ERROR)


class FailureLog:
    """Gathers the lines; `handle` is a sink of the run's events.

    Args:
        most: so many lines in all; one more says that there are others.
        unstarted: the task runs of tests that had no attempt, by their keys, where they have some.
    """

    def __init__(self, most: int = MOST_LINES, unstarted: Mapping[tuple[str, str], str] = MappingProxyType({})) -> None:
        self._left = most
        self._unstarted = unstarted
        self._task_runs: dict[tuple[str, str, int], str | None] = {}
        self._waiting: list[LogLine] = []

    def handle(self, event: Event) -> None:
        """Take note of an attempt that begins, and of what went wrong."""
        match event:
            case AttemptStarted():
                self._task_runs[event.test_id, event.variant, event.attempt] = event.task_run
            case AttemptFinished(result):
                task_run = self._task_runs.pop((*result.key, result.attempt), None)
                if result.status in _BAD and result.reason is not Reason.CANCELLED:
                    lost = result.reason in INFRASTRUCTURE_REASONS
                    self._add(_tell_attempt(result), task_run, logging.WARNING if lost else logging.ERROR)
            case TestClosed(status=Status.ERROR, attempts=0) if event.reason is not Reason.CANCELLED:
                name = say_test(event.test_id, event.variant)
                text = f"{name}: error ({event.reason})\n{safe_line(event.error or '')}"
                self._add(text, self._unstarted.get((event.test_id, event.variant)), logging.ERROR)

    def take(self) -> list[LogLine]:
        """The lines since the last call."""
        lines, self._waiting = self._waiting, []
        return lines

    def _add(self, text: str, task_run: str | None, level: int) -> None:
        self._left -= 1
        if self._left == -1:
            text, task_run = "more went wrong: the table of failures and the database tell it", None
        if self._left >= -1:
            self._waiting.append(LogLine(text, time.time(), task_run, level))


def _tell_attempt(result: AttemptResult) -> str:
    how = f"{result.status}{f' ({result.reason})' if result.reason else ''}"
    where = f"attempt {result.attempt} on {safe_line(result.node_id)}"
    told = [f"{say_test(*result.key)}: {how}, {where}, {say_seconds(result.duration)}"]
    error, output = (result.error or "").strip(), result.output.strip()
    told += last_lines(error, _ERROR_LINES, _LINE_CHARACTERS)
    if output and output not in error:
        told += ["", "output:", *last_lines(output, _OUTPUT_LINES, _LINE_CHARACTERS)]
    return "\n".join(told)
