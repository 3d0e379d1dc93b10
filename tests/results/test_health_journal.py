from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulseq.errors import UsageError
from pulseq.events import NodeHealth, NodeMarked
from pulseq.marks import MarkState, NodeMark
from pulseq.models import Liveness
from pulseq.results import health_journal
from pulseq.results.database import Database
from pulseq.results.health_journal import (
    drop_health,
    health_journals,
    ingest_health,
    read_known_health,
    read_known_marks,
    record_health,
)
from pulseq.results.journal import JournalWriter

NOON = 1_795_348_800.0
ACTIVE = NodeHealth("n", Liveness.ACTIVE, None, "tcp://s:1", "tcp://h:1", 0.01, 1.5, 0.7, 1, 2, 3, 4, 5, 6)
#: What these do not tell of their links.
NOTHING = [None] * 13
FROZEN = NodeHealth("n", Liveness.SUSPECT, "no answer", "tcp://s:1", heartbeat_age=4.0)


def _at(seconds: float) -> Callable[[], float]:
    return lambda: seconds


def _ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return connection.execute(query).fetchall()


def test_a_look_is_a_row_without_a_run(tmp_path: Path, database: Database) -> None:
    record_health(tmp_path, [ACTIVE, FROZEN], clock=_at(NOON))

    assert 2 == ingest_health(tmp_path, database)
    assert [
        (
            None,
            1,
            "n",
            NOON,
            "poll",
            "active",
            None,
            "tcp://s:1",
            "tcp://h:1",
            0.01,
            1.5,
            0.7,
            1,
            2,
            3,
            4,
            5,
            6,
            *NOTHING,
        ),
        (None, 2, "n", NOON, "poll", "suspect", "no answer", "tcp://s:1", None, None, 4.0, *[None] * 7, *NOTHING),
    ] == _ask(database, "SELECT * REPLACE (epoch(seen_at) AS seen_at) FROM node_health ORDER BY seq")


def test_taking_in_twice_adds_nothing_and_what_is_new_is_added(tmp_path: Path, database: Database) -> None:
    record_health(tmp_path, [ACTIVE], clock=_at(NOON))
    first = ingest_health(tmp_path, database), ingest_health(tmp_path, database)
    record_health(tmp_path, [FROZEN], clock=_at(NOON + 10))
    record_health(tmp_path, [ACTIVE], clock=_at(NOON + 3600))

    assert ((1, 0), 2) == (first, ingest_health(tmp_path, database))
    assert [("active",), ("suspect",), ("active",)] == _ask(database, "SELECT status FROM node_health ORDER BY seen_at")


def test_a_lost_database_gets_its_rows_back(tmp_path: Path, database: Database) -> None:
    record_health(tmp_path, [ACTIVE, FROZEN], clock=_at(NOON))
    ingest_health(tmp_path, database)
    database.path.unlink()

    assert 2 == ingest_health(tmp_path, database)


def test_where_nothing_was_looked_at_no_database_is_made(tmp_path: Path, database: Database) -> None:
    database.path.unlink()

    assert (0, False) == (ingest_health(tmp_path, database), database.path.exists())


def test_no_run_comes_of_a_look(tmp_path: Path, database: Database) -> None:
    record_health(tmp_path, [ACTIVE])
    ingest_health(tmp_path, database)

    assert [] == _ask(database, "SELECT run_id FROM run_summary")


def test_the_last_looks_at_a_scheduler_are_known(tmp_path: Path) -> None:
    other = NodeHealth("m", Liveness.ACTIVE, scheduler="tcp://s:2")
    for hours, row in enumerate([ACTIVE, FROZEN, other, ACTIVE]):
        record_health(tmp_path, [row], clock=_at(NOON + hours * 3600))

    assert [(NOON + 3 * 3600, ACTIVE)] == read_known_health(tmp_path, "tcp://s:1")
    assert [(NOON + 2 * 3600, other)] == read_known_health(tmp_path, "tcp://s:2")


def test_another_watcher_is_waited_for_and_then_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_journal, "PATIENCE_SECONDS", 0.05)
    path = record_health(tmp_path, [ACTIVE], clock=_at(NOON))

    with JournalWriter(path), pytest.raises(UsageError, match="is being written by another process"):
        record_health(tmp_path, [ACTIVE], clock=_at(NOON))


def test_a_directory_that_cannot_be_written_is_told_of_at_once(tmp_path: Path) -> None:
    (tmp_path / "health").write_text("in the way")

    with pytest.raises(UsageError, match="cannot be written"):
        record_health(tmp_path, [ACTIVE])


def test_old_looks_are_dropped_from_disk_and_database(tmp_path: Path, database: Database) -> None:
    for hours in (0, 5):
        path = record_health(tmp_path, [ACTIVE], clock=_at(NOON + hours * 3600))
        os.utime(path, (NOON + hours * 3600,) * 2)

    assert 1 == drop_health(tmp_path, database, NOON + 3600)
    assert ["20261122T17"] == [path.stem for path in health_journals(tmp_path)]
    assert [(NOON + 5 * 3600,)] == _ask(database, "SELECT epoch(seen_at) FROM node_health")
    assert 0 == ingest_health(tmp_path, database)


def test_another_journal_under_the_name_of_a_removed_one_adds_its_looks(tmp_path: Path, database: Database) -> None:
    journal = record_health(tmp_path, [ACTIVE, FROZEN], clock=_at(NOON))
    ingest_health(tmp_path, database)
    journal.unlink()
    record_health(tmp_path, [FROZEN], clock=_at(NOON + 60))

    assert 1 == ingest_health(tmp_path, database)
    assert [(3,)] == _ask(database, "SELECT count(*) FROM node_health")


def test_looks_that_are_there_are_not_added_again(tmp_path: Path, database: Database) -> None:
    journal = record_health(tmp_path, [ACTIVE, FROZEN], clock=_at(NOON))
    ingest_health(tmp_path, database)
    journal.write_bytes(b"turned" + journal.read_bytes())

    assert 0 == ingest_health(tmp_path, database)
    assert [(2,)] == _ask(database, "SELECT count(*) FROM node_health")


def test_a_mark_that_looks_have_seen_is_one_row_however_often_they_told_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "results.duckdb")
    mark = NodeMark("a", MarkState.DRAINING, "firmware", "anna", NOON - 5)
    for hours in (0, 1, 2):
        record_health(tmp_path, [ACTIVE, NodeMarked(mark)], clock=_at(NOON + hours * 3600))
        ingest_health(tmp_path, database)

    with database.read() as connection:
        rows = connection.execute(
            "SELECT run_id, node_id, state, why, who, epoch(marked_at) FROM node_marks"
        ).fetchall()
    assert [(None, "a", "draining", "firmware", "anna", NOON - 5)] == rows
    assert {"a": mark} == read_known_marks(tmp_path)
