"""A run as it sees itself, and as its journal tells it: at each of its events, and in the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from msgspec import structs

from pulseq.events import AttemptStarted, Event
from pulseq.fleet import Fleet, NodeSpec
from pulseq.models import AttemptResult, CommandBody, Key, Reason, Suite, TestCase
from pulseq.records import TestRecord, fold
from pulseq.results.journal import read_journal
from pulseq.run.run_options import RunOptions
from pulseq.run.run_session import RunSession

#: As in the tests of the Python API.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

FLAKY = "import os, sys; sys.exit(os.environ['PULSEQ_ATTEMPT'] == '1')"
LONG = "import os, time; time.sleep(60 if os.environ['PULSEQ_ATTEMPT'] == '1' else 0)"


def _command(name: str, script: str, **more: int) -> TestCase:
    return TestCase(name, CommandBody((sys.executable, "-c", script)), **more)  # type: ignore[arg-type]


SUITE = Suite(
    "state",
    (
        _command("passes", ""),
        _command("fails", "raise SystemExit('no')"),
        _command("flaky", FLAKY, max_retries=1),
        _command("long", LONG),
        TestCase("nowhere", CommandBody(("true",)), requirements={"browser": "mosaic"}),
    ),
)


class Watcher:
    """Sees each event as a view does, kills the node of the long test, and compares."""

    def __init__(self) -> None:
        self.session: RunSession
        self.events: list[Event] = []
        self.differed: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)
        if fold(self.events) != self.session.log.record:
            self.differed.append(event)
        if isinstance(event, AttemptStarted) and (event.test_id, event.attempt) == ("long", 1):
            os.kill(_pid_of(event.node_id), signal.SIGKILL)


def _pid_of(node_id: str) -> int:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, OSError):
            is_node = "pulseq.node.node_process" in process.cmdline()
            if is_node and Path(os.readlink(f"/proc/{process.pid}/fd/2")).stem == node_id:
                return process.pid
    raise LookupError(node_id)


def _without_texts(tests: dict[Key, TestRecord]) -> dict[Key, TestRecord]:
    """What the driver does not keep in memory of each attempt."""

    def bare(result: AttemptResult) -> AttemptResult:
        return structs.replace(result, output="", error=None)

    for test in tests.values():
        test.attempts = {number: bare(result) for number, result in test.attempts.items()}
    return tests


def test_the_journal_of_a_run_tells_the_state_that_it_had(
    tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    monkeypatch.setenv("HOME", str(tmp_path))
    watcher = Watcher()
    fleet = Fleet((NodeSpec("n1"), NodeSpec("n2")))
    options = RunOptions(run_id="r", home=tmp_path / "home")

    async def run() -> None:
        watcher.session = RunSession(SUITE, fleet, options, [watcher.handle])
        await watcher.session.run()

    asyncio.run(run())
    record = watcher.session.log.record
    told = [entry.event for entry in read_journal(options.journal_path)]

    assert [] == watcher.differed
    assert {1: Reason.NODE_LOST, 2: None} == {n: one.reason for n, one in record.tests["long", ""].attempts.items()}
    assert (1, True) == (record.tests["long", ""].losses, record.tests["flaky", ""].has_failed)
    again = fold(told[len(told) // 2 :], fold(told[: len(told) // 2]))
    assert _without_texts(record.tests) == _without_texts(again.tests)
    assert (record.open, record.failures) == (again.open, again.failures) == (0, 1)
    assert record.absent == again.absent
