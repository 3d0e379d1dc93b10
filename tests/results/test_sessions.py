"""What pytest tells of entries, in the database and back."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pulseq.events import AttemptFinished, EntryCollected, RunFinished, RunStarted, SessionFinished, TestClosed
from pulseq.models import AttemptResult, PytestWarning, Reason, Status
from pulseq.records import RunRecord
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.journal import JournalWriter
from pulseq.results.stored_run import load_run

OLD = PytestWarning("DeprecationWarning", "old \udc80", "t.py:3", "collect")
COLLECTED = EntryCollected("unit", "n", 7, 3, (OLD,))
FINISHED = SessionFinished("unit", "n", 1, "coverage is 3 %", "Name  Cover\na.py  3 %", (OLD,), (("build", "7"),))
FIRST = AttemptResult("a", 1, "node1", Status.FAILED, reason=Reason.ASSERTION, started_at=5.0, rerun=True)
LAST = AttemptResult(
    *("a", 2, "node1", Status.PASSED),
    started_at=6.0,
    pytest_warnings=(OLD, PytestWarning("UserWarning", "look", "", "runtest")),
    xpassed="issue 12",
    properties=(("property", "ticket", "7"), ("attribute", "owner", "me")),
    subtests={"passed": 2, "skipped": 1},
)


@pytest.fixture
def database(story: Any, database: Database) -> Database:
    planned = story.test("a", Status.PASSED)[:1]
    told = [*map(AttemptFinished, (FIRST, LAST)), TestClosed("a", "", Status.PASSED, None, True, 2, "node1")]
    start, end = RunStarted("r1", "s", 1.0, "0"), RunFinished(9.0, 8.0, 1, "failed")
    ingest(story.write("r1", [start, *planned, COLLECTED, *told, FINISHED, end]), database)
    return database


def ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return connection.execute(query).fetchall()


def cleaned(warning: PytestWarning) -> PytestWarning:
    return replace(warning, message=warning.message.replace("\udc80", "\\udc80"))


def test_every_warning_is_a_row_of_its_own(database: Database) -> None:
    asked = 'SELECT entry, test_id, attempt, category, message, "when" FROM pytest_warnings ORDER BY ALL'
    assert ask(database, asked) == [
        ("unit", None, None, "DeprecationWarning", "old \\udc80", "collect"),
        ("unit", None, None, "DeprecationWarning", "old \\udc80", "collect"),
        (None, "a", 2, "DeprecationWarning", "old \\udc80", "collect"),
        (None, "a", 2, "UserWarning", "look", "runtest"),
    ]


def test_every_property_is_a_row_of_its_own(database: Database) -> None:
    assert ask(database, "SELECT entry, test_id, attempt, kind, name, value FROM properties ORDER BY kind") == [
        (None, "a", 2, "attribute", "owner", "me"),
        (None, "a", 2, "property", "ticket", "7"),
        ("unit", None, None, "suite", "build", "7"),
    ]


def test_a_run_is_counted_in_pytests_words(database: Database) -> None:
    assert ask(database, "SELECT deselected, warnings, xpassed, reruns FROM run_summary") == [(3, 4, 1, 1)]
    assert ask(database, "SELECT test_id, xpassed, flaky FROM results") == [("a", "issue 12", True)]


def test_a_stored_run_has_what_pytest_told(database: Database) -> None:
    record: RunRecord = load_run(database, "r1")
    warnings = tuple(map(cleaned, LAST.pytest_warnings))
    assert record.tests["a", ""].attempts == {1: FIRST, 2: replace(LAST, pytest_warnings=warnings)}
    assert record.collected == {"unit": replace(COLLECTED, warnings=(cleaned(OLD),))}
    assert record.sessions == {("unit", "n"): replace(FINISHED, warnings=(cleaned(OLD),))}
    counts = (record.deselected, record.xpassed, record.reruns, len(list(record.pytest_warnings())))
    assert counts == (3, 1, 1, 4)


def test_a_session_that_ends_again_replaces_what_was_told_of_it(database: Database, story: Any) -> None:
    journal = story.home / "runs" / "r1" / "journal.jsonl"
    with JournalWriter(journal) as writer:
        writer.append(SessionFinished("unit", "n", 0))
        writer.append(EntryCollected("unit", "n2", 8))
    for _ in range(2):
        ingest(journal, database)
    assert ask(database, "SELECT exit_status, summary, properties FROM sessions") == [(0, "", [])]
    assert ask(database, "SELECT node_id, items, deselected FROM collections") == [("n2", 8, 0)]
