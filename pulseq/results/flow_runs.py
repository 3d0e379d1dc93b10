"""What the journal of a run knows of Prefect's flow runs and task runs, and of how each ended."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pulseq.events import AttemptFinished, AttemptStarted, Event, PrefectRunKnown, RunFinished, TestClosed
from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Key, Status
from pulseq.pytest_sessions import name_pack
from pulseq.results.journal import read_journal
from pulseq.results.regular_file import reading


@dataclass(slots=True)
class TaskRunStory:
    """A task run: one test, or several short ones.

    Attributes:
        results: of each test the last attempt that this task run made; None where it has no result.
        retried: whether it made an attempt of a test that had failed before.
        node_id: where it ran, as far as that is known.
    """

    id: str
    results: dict[Key, AttemptResult | None] = field(default_factory=dict)
    retried: bool = False
    node_id: str = ""

    @property
    def name(self) -> str:
        """Its tests and its node; from there the API would have their priority and labels as well."""
        ids = [test_id for test_id, _ in self.results]
        tests = ids[0] if len(ids) == 1 else name_pack(ids)
        return f"{tests} @ {self.node_id}" if self.node_id else tests


@dataclass(slots=True)
class FlowRunStory:
    """A flow run; a resumed run has had several.

    Attributes:
        verdicts: of the tests that were closed in it.
        finished: None where its driver did not get to its end.
    """

    id: str
    task_runs: dict[str, TaskRunStory] = field(default_factory=dict)
    verdicts: dict[Key, TestClosed] = field(default_factory=dict)
    finished: RunFinished | None = None
    _attempts: dict[tuple[Key, int], TaskRunStory] = field(default_factory=dict)
    _failed: set[Key] = field(default_factory=set)

    def start(self, event: AttemptStarted) -> None:
        """An attempt began in a task run."""
        if event.task_run is None:
            return
        key = (event.test_id, event.variant)
        story = self.task_runs.setdefault(event.task_run, TaskRunStory(event.task_run, node_id=event.node_id))
        story.retried |= key in self._failed
        story.results[key] = None
        self._attempts[key, event.attempt] = story

    def finish(self, result: AttemptResult) -> None:
        """An attempt has a result; what comes after it was given up does not count."""
        story = self._attempts.get((result.key, result.attempt))
        if story is None:
            return
        if result.status in (Status.FAILED, Status.ERROR) and result.reason not in INFRASTRUCTURE_REASONS:
            self._failed.add(result.key)
        known = story.results[result.key]
        if known is None or known.attempt != result.attempt or known.reason not in INFRASTRUCTURE_REASONS:
            story.results[result.key] = result


def fold_flow_runs(events: Iterable[Event]) -> list[FlowRunStory]:
    """The flow runs that the events of a run tell of, in their order."""
    stories: list[FlowRunStory] = []
    story = FlowRunStory("")  # tests begin before a server of the run's own is ready
    for event in events:
        if isinstance(event, PrefectRunKnown):
            if story.id:
                story = FlowRunStory("")
            story.id = event.flow_run_id
            stories.append(story)
        else:
            _apply(story, event)
    return stories


def _apply(story: FlowRunStory, event: Event) -> None:
    match event:
        case AttemptStarted():
            story.start(event)
        case AttemptFinished():
            story.finish(event.result)
        case TestClosed():
            story.verdicts[event.test_id, event.variant] = event
        case RunFinished():
            story.finished = event


def read_flow_runs(journal: Path) -> list[FlowRunStory]:
    """The flow runs of a run, from its journal alone; damaged lines are skipped.

    Raises:
        UsageError: there is no such journal.
    """
    with reading(journal):
        return fold_flow_runs(entry.event for entry in read_journal(journal))


def is_being_written(journal: Path) -> bool:
    """Whether the driver of a run lives: it holds its journal for as long."""
    with journal.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
