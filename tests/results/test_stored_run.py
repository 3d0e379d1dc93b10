"""A run from the database is what its journal tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pulseq.artifacts import Artifact
from pulseq.errors import UsageError
from pulseq.events import (
    ArtifactsKept,
    AttemptFinished,
    EntryCollected,
    NodeHealth,
    NodeJoined,
    NodeLost,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult, Liveness, PytestWarning, Reason, Status
from pulseq.records import RunRecord, fold
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import read_journal
from pulseq.results.stored_run import load_run
from pulseq.results.sync import sync

WARNING = PytestWarning("UserWarning", "old", "a.py:3", "runtest")
LEFT = Artifact("a.png", 3, "f00d", "image/png", "artifacts/a/1/a.png")
FULL = AttemptResult(
    "a",
    1,
    "n",
    Status.ERROR,
    "browser=chrome",
    Reason.CRASH,
    started_at=1_700_000_001.5,
    duration=2.0,
    queue_seconds=0.25,
    error="it fell",
    output="out\n",
    output_bytes=400,
    exit_code=None,
    signal=11,
    metrics={"duration": 2.0, "rows": 3.0},
    simulated=True,
    leaked_processes=2,
    warnings=("odd",),
    pytest_warnings=(WARNING,),
    xpassed="",
    properties=(("property", "colour", "red"),),
    subtests={"passed": 2},
    rerun=True,
)


def _stored(journal: Path, database: Database) -> tuple[RunRecord, RunRecord]:
    """A run as its journal has it, and as the database does."""
    ingest(journal, database)
    return fold(entry.event for entry in read_journal(journal)), load_run(database)


def test_a_plain_run_is_the_same(story: Any, database: Database) -> None:
    tests = story.test("a", Status.FAILED, Status.PASSED), story.test("b", Status.FAILED)

    told, stored = _stored(story.run("r1", *tests), database)

    # Lists of values come back from JSON as they are there.
    assert msgspec.json.encode(told.nodes) == msgspec.json.encode(stored.nodes)
    assert replace(told, nodes={}) == replace(stored, nodes={})


def test_all_that_an_attempt_can_say_is_the_same(story: Any, database: Database) -> None:
    events = [
        RunStarted("r1", "checkout", 1_700_000_000.0, "0.1", {"n": 2}),
        NodeJoined("n", "localhost", 2, {"os": "linux", "memory": "8GB"}, "first", {"way": "ssh"}),
        TestPlanned("a", FULL.variant, "a", "call", "high", "s.yaml:3", 1.5, {"browser": "chrome"}),
        EntryCollected("unit", "n", 1, 3, (WARNING,)),
        AttemptFinished(FULL),
        TestClosed("a", FULL.variant, Status.ERROR, Reason.CRASH, False, 1, "n", "it fell"),
        ArtifactsKept("a", FULL.variant, 1, "n", (LEFT, msgspec.structs.replace(LEFT, path=None, trouble="lost"))),
        ArtifactsKept("entry", "", 2, "n", (LEFT,)),
        SessionFinished("unit", "n", 1, "it ended badly", "a table", (WARNING,), (("suite", "x"),), (("known", 2),)),
        NodeHealth("n", Liveness.ACTIVE, None, "tcp://s:1", "tcp://h:1", 0.1, clock_offset=41.0, clock_uncertainty=0.1),
        NodeHealth("n", Liveness.SUSPECT, "it is silent", incarnation="first", link_breaks=1, stray_processes=2),
        NodeLost("n", "killed"),
        RunNote("one"),
        RunFinished(1_700_000_009.0, 9.0, 1, "failed"),
    ]

    told, stored = _stored(story.write("r1", events), database)

    assert told == stored


def test_a_run_that_has_not_ended_has_no_end(story: Any, database: Database) -> None:
    _, stored = _stored(story.write("r1", [RunStarted("r1", "s", 1.0, "0"), *story.test("a", Status.PASSED)]), database)

    assert stored.finished is None
    assert [Status.PASSED] == [test.closed.status for test in stored.tests.values() if test.closed]


def test_the_last_run_is_meant_where_none_is_named(story: Any, database: Database) -> None:
    for number, run_id in enumerate(("r1", "r2")):
        ingest(story.run(run_id, story.test(run_id, Status.PASSED), at=1_700_000_000.0 + number), database)

    assert [("r2", ""), ("r1", "")] == [key for named in (None, "r1") for key in load_run(database, named).tests]


def test_a_run_that_is_not_there_is_told_of(story: Any, database: Database) -> None:
    ingest(story.run("r1", story.test("a", Status.PASSED)), database)

    with pytest.raises(UsageError, match="nope"):
        load_run(database, "nope")


def test_a_database_without_runs_is_refused(tmp_path: Path, database: Database) -> None:
    sync(tmp_path)

    with pytest.raises(UsageError, match="has no run yet"):
        load_run(database)
