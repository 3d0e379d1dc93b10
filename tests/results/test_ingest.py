import os
import shutil
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pulseq.artifacts import Artifact, warn_of_missing
from pulseq.errors import UsageError
from pulseq.events import (
    ArtifactsKept,
    AttemptFinished,
    AttemptStarted,
    Event,
    NodeHealth,
    NodeJoined,
    NodeLost,
    NodeMarked,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.marks import MarkState, NodeMark
from pulseq.models import AttemptResult, Liveness, Reason, Status
from pulseq.results import ingest as ingest_module
from pulseq.results.database import Database, DatabaseBusyError
from pulseq.results.ingest import ingest, take_in, work_on
from pulseq.results.journal import JournalWriter
from pulseq.results.sync import sync
from tests.results.asking import ask, everything

pytestmark = pytest.mark.system

PASSED, FAILED, ERROR = Status.PASSED, Status.FAILED, Status.ERROR


def finished(test_id: str, attempt: int, status: Status, reason: Reason | None = None, **more: Any) -> AttemptFinished:
    return AttemptFinished(AttemptResult(test_id, attempt, more.pop("node_id", "n"), status, reason=reason, **more))


def test_a_run_becomes_rows(story, database) -> None:
    journal = story.run("r1", story.test("a", PASSED), story.test("b", FAILED, PASSED), story.test("c", FAILED))
    report = ingest(journal, database)
    assert ("r1", 19, journal.stat().st_size, 0, None) == (
        report.run_id,
        report.entries,
        report.end_offset,
        report.damaged_lines,
        report.set_aside,
    )
    assert ask(database, "SELECT test_id, status, flaky, attempts FROM results ORDER BY test_id") == [
        ("a", "passed", False, 1),
        ("b", "passed", True, 2),
        ("c", "failed", False, 1),
    ]
    assert ask(database, "SELECT test_id, attempt, status, task_run_id FROM attempts ORDER BY ALL") == [
        ("a", 1, "passed", "task-1"),
        ("b", 1, "failed", "task-1"),
        ("b", 2, "passed", "task-2"),
        ("c", 1, "failed", "task-1"),
    ]


def test_nodes_and_their_health_are_kept(story, database) -> None:
    node = NodeJoined("n", "localhost", 3, {"os": "linux", "browser": ("chrome", "firefox")})
    ingest(story.write("r1", [node, NodeLost("n", "its process died"), node]), database)
    assert ask(database, "SELECT node_id, slots, capabilities->>'os', capabilities->'browser'->>1 FROM nodes") == [
        ("n", 3, "linux", "firefox")
    ]
    assert ask(database, "SELECT node_id, status, why FROM node_health ORDER BY seq") == [
        ("n", "active", None),
        ("n", "inactive", "its process died"),
        ("n", "active", None),
    ]


def test_each_look_at_a_node_is_kept(story, database) -> None:
    seen = NodeHealth("n", Liveness.ACTIVE, None, "tcp://s:1", "tcp://h:1", 0.01, 1.5, 0.7, *range(1, 7), *LINK)
    frozen = NodeHealth("n", Liveness.SUSPECT, "no answer", heartbeat_age=4.0)
    ingest(story.write("r1", [seen, frozen]), database)

    assert ask(database, "SELECT * EXCLUDE (run_id, seq, seen_at) FROM node_health ORDER BY seq") == [
        ("n", "poll", "active", None, "tcp://s:1", "tcp://h:1", 0.01, 1.5, 0.7, *range(1, 7), *LINK),
        ("n", "poll", "suspect", "no answer", None, None, None, 4.0, *[None] * 7, *[None] * len(LINK)),
    ]


#: From its incarnation to its protocol.
LINK = ("first", "lab1", 41.5, 0.002, 0.01, 2, 3, 4, 5, 6, "1.2", "3.12.1", 1)


def test_a_node_has_the_clock_that_it_was_last_seen_with(story, database) -> None:
    labels = {"version": "1.2", "way": "ssh"}
    joined = [NodeJoined(name, "lab1", 1, {}, "first", labels) for name in "nmo"]
    looks = [
        NodeHealth("n", Liveness.ACTIVE, incarnation="first", clock_offset=offset, clock_uncertainty=0.5)
        for offset in (40.0, 41.0)
    ]
    other = NodeHealth("m", Liveness.ACTIVE, incarnation="before", clock_offset=7.0, clock_uncertainty=0.5)
    ingest(story.write("r1", [*joined, *looks, other]), database)

    assert ask(
        database, "SELECT node_id, incarnation, labels->>'way', clock_offset, clock_uncertainty FROM nodes ORDER BY 1"
    ) == [("m", "first", "ssh", None, None), ("n", "first", "ssh", 41.0, 0.5), ("o", "first", "ssh", None, None)]


def test_taking_in_twice_changes_nothing(story, database) -> None:
    journal = story.run("r1", story.test("a", FAILED, PASSED))
    ingest(journal, database)
    before = everything(database)
    assert ingest(journal, database).entries == 0
    assert everything(database) == before


def test_what_is_new_is_added(story, database) -> None:
    ingest(story.write("r1", story.test("a", PASSED)), database)
    report = ingest(story.write("r1", story.test("b", FAILED)), database)
    assert report.entries == 4
    assert ask(database, "SELECT test_id FROM results ORDER BY 1") == [("a",), ("b",)]


def test_what_a_run_writes_meanwhile_is_for_the_next_time(story, database, monkeypatch: pytest.MonkeyPatch) -> None:
    # A run that never pauses would else be followed in slices of a few lines, each at the cost of a large one.
    journal = story.write("r1", story.test("a", PASSED))
    read_slice = ingest_module.read_slice

    def read_while_it_grows(path: Path, start: int, size: int) -> Any:
        part = read_slice(path, start, size)
        story.write("r1", story.test(f"b{start}", PASSED))
        return part

    monkeypatch.setattr(ingest_module, "read_slice", read_while_it_grows)
    ingest(journal, database)
    assert ask(database, "SELECT test_id FROM results") == [("a",)]
    monkeypatch.undo()
    ingest(journal, database)
    assert ask(database, "SELECT test_id FROM results ORDER BY 1") == [("a",), ("b0",)]


def test_a_later_result_of_the_same_attempt_replaces_the_earlier(story, database) -> None:
    ingest(story.write("r1", story.test("a", PASSED)), database)
    teardown = [
        finished("a", 1, ERROR, Reason.SETUP),
        TestClosed("a", "", ERROR, Reason.SETUP, False, 1, "n", "teardown failed"),
    ]
    ingest(story.write("r1", teardown), database)
    assert ask(database, "SELECT status, reason, error FROM results") == [("error", "setup", "teardown failed")]
    assert ask(database, "SELECT attempt, status, task_run_id FROM attempts") == [(1, "error", "task-1")]


@pytest.mark.parametrize("together", [True, False])
def test_a_late_result_of_a_lost_attempt_is_kept_and_never_counted(story, database, together: bool) -> None:
    first = [AttemptStarted("a", "", 1, "n1", "t1"), finished("a", 1, ERROR, Reason.NODE_LOST)]
    rest = [
        finished("a", 2, PASSED, duration=2.0),
        TestClosed("a", "", PASSED, None, False, 2, "n2"),
        finished("a", 1, FAILED, Reason.ASSERTION, duration=99.0, metrics={"duration": 99.0}),
    ]
    journal = story.write("r1", first)
    if not together:
        ingest(journal, database)
    ingest(story.write("r1", rest), database)
    assert ask(database, "SELECT attempt, status, reason FROM attempts ORDER BY 1") == [
        (1, "error", "node_lost"),
        (2, "passed", None),
    ]
    assert ask(database, "SELECT attempt, status, task_run_id FROM late_attempts") == [(1, "failed", "t1")]
    assert ask(database, "SELECT duration FROM results") == [(2.0,)]
    assert ask(database, "FROM metrics") == []


def test_running_attempts_are_told_until_they_end(story, database) -> None:
    starts = [AttemptStarted(test, "", 1, "n", None) for test in "abc"]
    ingest(story.write("r1", [*starts, finished("a", 1, PASSED)]), database)
    assert ask(database, "SELECT test_id FROM running ORDER BY 1") == [("b",), ("c",)]
    ingest(story.write("r1", [TestClosed("b", "", ERROR, Reason.NODE_LOST, False, 1)]), database)
    assert ask(database, "SELECT test_id FROM running") == [("c",)]
    ingest(story.write("r1", [RunFinished(1.0, 1.0, 2, "interrupted")]), database)
    assert ask(database, "SELECT test_id FROM running") == []


def test_an_entry_that_became_tests_of_its_own_leaves_no_row(story, database) -> None:
    ingest(story.write("r1", [TestPlanned("unit", "", "unit", "pytest", "medium")]), database)
    ingest(story.write("r1", [TestExpanded("unit", "", 1), *story.test("unit/a", PASSED)]), database)
    assert ask(database, "SELECT test_id FROM tests") == [("unit/a",)]


def test_the_first_start_of_a_resumed_run_and_its_last_end_count(story, database) -> None:
    ingest(story.write("r1", [RunStarted("r1", "s", 10.0, "0.1"), RunFinished(20.0, 10.0, 2, "interrupted")]), database)
    resumed = [RunStarted("r1", "s", 30.0, "0.2"), RunFinished(40.0, 10.0, 0, "passed")]
    ingest(story.write("r1", resumed), database)
    query = "SELECT epoch(started_at), version, epoch(finished_at), exit_code, exit_reason FROM runs"
    assert ask(database, query) == [(10.0, "0.1", 40.0, 0, "passed")]


def test_torn_lines_are_skipped_and_counted(story, database) -> None:
    journal = story.write("r1", [RunNote("a"), RunNote("b"), RunNote("c")])
    journal.write_bytes(journal.read_bytes().replace(b'"b"', b'"x"'))
    assert ingest(journal, database).damaged_lines == 1
    assert ask(database, "SELECT text FROM run_notes ORDER BY seq") == [("a",), ("c",)]
    assert ask(database, "SELECT damaged_lines FROM journals") == [(1,)]


def test_a_verdict_whose_plan_was_torn_is_still_shown(story, database) -> None:
    ingest(story.write("r1", story.test("a", PASSED)[1:]), database)
    assert ask(database, "SELECT test_id, name, status FROM results") == [("a", "a", "passed")]


def test_a_journal_that_got_shorter_is_taken_in_anew(story, database) -> None:
    journal = story.run("r1", story.test("a", PASSED), story.test("b", PASSED))
    ingest(journal, database)
    journal.unlink()
    ingest(story.write("r1", story.test("c", PASSED)), database)
    assert ask(database, "SELECT test_id FROM results") == [("c",)]


def test_another_journal_under_the_name_of_a_removed_one_is_taken_in_anew(story, database) -> None:
    ingest(story.run("nightly", story.test("a", PASSED)), database)
    shutil.rmtree(story.home / "runs" / "nightly")
    journal = story.run("nightly", *(story.test(f"b{number}", FAILED) for number in range(3)), at=2_000_000_000.0)
    report = ingest(journal, database)
    assert report.end_offset == journal.stat().st_size
    assert ask(database, "SELECT test_id, status FROM results ORDER BY 1") == [
        ("b0", "failed"),
        ("b1", "failed"),
        ("b2", "failed"),
    ]


def test_a_journal_is_of_the_run_that_it_names_and_not_of_its_directory(story, database) -> None:
    journal = story.run("nightly", story.test("a", PASSED))
    ingest(journal, database)
    moved = journal.parent.rename(story.home / "runs" / "last-week") / journal.name
    assert ingest(moved, database).entries == 0
    assert ask(database, "SELECT run_id, test_id FROM results") == [("nightly", "a")]


def test_rows_that_no_journal_is_known_of_make_way_for_those_of_one(story, database) -> None:
    journal = story.write("r1", [RunStarted("r1", "s", 1.0, "0"), RunNote("hello"), *story.test("a", PASSED)])
    ingest(journal, database)
    with database.write() as connection:
        connection.execute("DELETE FROM journals")
    ingest(journal, database)
    assert ask(database, "SELECT count(*) FROM run_notes") == [(1,)]


def test_many_journals_share_transactions(story, database, monkeypatch: pytest.MonkeyPatch) -> None:
    works = [work_on(story.run(f"r{number}", story.test("a", PASSED))) for number in range(5)]
    opened: list[Path] = []
    write = Database.write

    def count(self: Database) -> Any:
        opened.append(self.path)
        return write(self)

    monkeypatch.setattr(Database, "write", count)
    take_in(works, database)
    assert (len(opened), [work.report.entries for work in works]) == (1, [9] * 5)
    assert ask(database, "SELECT count(*) FROM results") == [(5,)]


def test_a_journal_that_duckdb_cannot_read_leaves_those_beside_it_whole(story, database) -> None:
    journals = [story.run(run_id, story.test("a", PASSED)) for run_id in ("r1", "r2", "r3")]
    head = b'{"seq":99,"time":1.0,"kind":"test_closed","data":{"test_id":"b","status":"of a later version"}'
    with journals[1].open("ab") as stream:
        stream.write(b'%b,"crc":"%08x"}\n' % (head, zlib.crc32(head)))
    works = [work_on(journal) for journal in journals]
    take_in(works, database)
    assert [(work.report.entries, work.report.damaged_lines) for work in works] == [(9, 0), (9, 1), (9, 0)]
    assert ask(database, "SELECT run_id, count(*) FROM results GROUP BY 1 ORDER BY 1") == [
        ("r1", 1),
        ("r2", 1),
        ("r3", 1),
    ]


@pytest.mark.parametrize("kind", ["directory", "FIFO"])
def test_a_journal_that_is_no_file_is_refused(tmp_path: Path, database: Database, kind: str) -> None:
    journal = tmp_path / "runs" / "r" / "journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.mkdir() if kind == "directory" else os.mkfifo(journal)
    with pytest.raises(UsageError, match=f"is a {kind}, expected a file: move it out of the way"):
        ingest(journal, database)


def test_hostile_text_comes_back_out_of_the_database(story, database) -> None:
    text = "\x00\x1b[31m]]><script>\n‮" + "é" * 1_000_000
    result = AttemptResult(text, 1, "n", FAILED, text, Reason.ASSERTION, output=text, metrics={"\x00": 1.0})
    closed = TestClosed(text, text, FAILED, Reason.ASSERTION, False, 1, "n", text)
    ingest(story.write("r1", [AttemptFinished(result), closed]), database)
    assert ask(database, "SELECT test_id, variant, error, metrics FROM results") == [(text, text, text, {"\x00": 1.0})]
    assert ask(database, "SELECT output FROM attempts") == [(text,)]


@pytest.mark.parametrize("odd", [False, True])
def test_the_whole_of_a_long_id_is_kept_once(story, database, odd: bool) -> None:
    planned = [
        TestPlanned("a", "", "a", "call", "low"),
        TestPlanned("b…d", "", "b", "call", "low", whole_id="b\x00" * 9),
    ]
    ingest(story.write("r1", [*planned, *planned] if odd else planned), database)
    assert ask(database, "SELECT test_id, whole_id FROM tests ORDER BY 1") == [("a", None), ("b…d", "b\x00" * 9)]


def test_lone_surrogates_become_their_escapes(story, database) -> None:
    events = [NodeJoined("\udc80", "h", 1, {"x": ("\ud800",)}), *story.test("t\ud800", PASSED)]
    ingest(story.write("r1", events), database)
    assert ask(database, "SELECT test_id FROM results") == [("t\\ud800",)]
    assert ask(database, "SELECT node_id, capabilities->'x'->>0 FROM nodes") == [("\\udc80", "\\ud800")]


def test_a_duration_that_no_calendar_has_leaves_the_results_readable(story, database) -> None:
    ingest(story.write("r1", [*story.test("a", PASSED, duration=1e300), *story.test("b", PASSED)]), database)
    rows = ask(database, "SELECT test_id, finished_at > started_at FROM results ORDER BY 1")
    assert rows == [("a", True), ("b", True)]


def test_times_that_no_calendar_has_are_left_out(story, database) -> None:
    ingest(story.write("r1", [finished("a", 1, PASSED, started_at=1e300)]), database)
    assert ask(database, "SELECT started_at FROM attempts") == [(None,)]


def test_a_journal_that_is_not_there_is_refused(tmp_path: Path, database: Database) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        ingest(tmp_path / "runs" / "r" / "journal.jsonl", database)


def test_a_damaged_database_is_set_aside_and_the_run_taken_in_whole(story, database) -> None:
    journal = story.run("r1", story.test("a", PASSED))
    ingest(journal, database)
    database.path.write_bytes(b"damage")
    report = ingest(journal, database)
    assert report.set_aside is not None
    assert report.set_aside.read_bytes() == b"damage"
    assert ask(database, "SELECT test_id FROM results") == [("a",)]


def test_a_busy_database_leaves_the_journal_for_later(story, database) -> None:
    journal = story.run("r1", story.test("a", PASSED))
    ingest(journal, database)
    impatient = Database(database.path, patience_seconds=0.05)
    with database.read(), pytest.raises(DatabaseBusyError):
        ingest(journal, impatient)
    ingest(story.write("r1", story.test("b", PASSED)), impatient)
    assert ask(database, "SELECT count(*) FROM results") == [(2,)]


def left_behind(test_id: str, attempt: int, trouble: str | None = None) -> ArtifactsKept:
    path = None if trouble else f"artifacts/{test_id}/{attempt}/a.txt"
    file = Artifact("a.txt", 3, "f00d", "text/plain", path, trouble)
    return ArtifactsKept(test_id, "", attempt, "n", (file, replace(file, name="b.txt")))


def test_artifacts_become_rows_and_what_is_missing_a_warning(story, database) -> None:
    events = [finished("a", 1, FAILED, Reason.ASSERTION), left_behind("a", 1), left_behind("a", 2, "lost")]
    ingest(story.write("r1", events), database)
    ingest(story.write("r1", [finished("a", 2, PASSED)]), database)
    assert ask(database, "SELECT attempt, node_id, name, path, bytes, sha256, media_type, trouble FROM artifacts") == [
        (1, "n", "a.txt", "artifacts/a/1/a.txt", 3, "f00d", "text/plain", None),
        (1, "n", "b.txt", "artifacts/a/1/a.txt", 3, "f00d", "text/plain", None),
        (2, "n", "a.txt", None, 3, "f00d", "text/plain", "lost"),
        (2, "n", "b.txt", None, 3, "f00d", "text/plain", "lost"),
    ]
    warning = "artifacts that did not come home: a.txt, b.txt (lost)"
    assert (warning,) == warn_of_missing(left_behind("a", 2, "lost").files)
    assert ask(database, "SELECT attempt, warnings FROM attempts ORDER BY 1") == [(1, []), (2, [warning])]


def test_what_is_told_again_of_artifacts_replaces_what_was_told(story, database) -> None:
    ingest(story.write("r1", [left_behind("a", 1)]), database)
    ingest(story.write("r1", [left_behind("a", 1), left_behind("a", 1, "gone")]), database)
    assert ask(database, "SELECT name, trouble FROM artifacts") == [("a.txt", "gone"), ("b.txt", "gone")]


keys = st.sampled_from("ab")
attempts = st.integers(1, 2)
outcomes = st.sampled_from([(PASSED, None), (FAILED, Reason.ASSERTION), (ERROR, Reason.NODE_LOST)])
histories = st.lists(
    st.one_of(
        st.builds(lambda key, name: TestPlanned(key, "", name, "call", "low"), keys, keys),
        st.builds(lambda key: TestExpanded(key, "", 2), keys),
        st.builds(lambda key, n, t: AttemptStarted(key, "", n, "n", t), keys, attempts, st.none() | keys),
        st.builds(lambda key, n, how, s: finished(key, n, *how, duration=s), keys, attempts, outcomes, st.just(1.5)),
        st.builds(lambda key, how, n: TestClosed(key, "", *how, False, n), keys, outcomes, attempts),
        st.builds(lambda key, start: NodeJoined(key, "h", 1, {}, start), keys, keys),
        st.builds(
            lambda key, start, offset: NodeHealth(key, Liveness.ACTIVE, incarnation=start, clock_offset=offset),
            *(keys, keys, st.none() | st.just(1.5)),
        ),
        st.builds(left_behind, keys, attempts, st.none() | keys),
        st.builds(NodeLost, keys, keys),
        st.builds(lambda key, state: NodeMarked(NodeMark(key, state, key)), keys, st.sampled_from(MarkState)),
        st.builds(RunStarted, st.just("r"), keys, st.just(5.0), keys),
        st.builds(PrefectRunKnown, keys, st.none()),
        st.builds(RunNote, keys),
        st.builds(RunFinished, st.just(7.0), st.just(2.0), st.integers(0, 5), keys),
    ),
    max_size=12,
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, batch=st.integers(1, 5), hold=st.sampled_from([-1.0, 60.0]))
def test_any_way_to_cut_a_journal_into_batches_leads_to_the_same_rows(
    tmp_path_factory, make_database, history: list[Event], batch: int, hold: float
) -> None:
    home = tmp_path_factory.mktemp("home")
    journal = home / "runs" / "r" / "journal.jsonl"
    with JournalWriter(journal, clock=lambda: 3.0) as writer:
        for event in history:
            writer.append(event)
    whole, pieces = make_database(home / "whole.duckdb"), make_database(home / "pieces.duckdb")
    sync(home, whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest_module, "BATCH_BYTES", 100 * batch)
        patch.setattr(ingest_module, "HOLD_SECONDS", hold)
        sync(home, pieces)
    assert everything(pieces) == everything(whole)


@pytest.mark.system
def test_three_writers_and_a_reader_share_one_file_without_an_error(story, database) -> None:
    journals = [story.run(f"r{n}", *(story.test(f"t{i}", PASSED) for i in range(100))) for n in range(3)]
    writer = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from pulseq.results import ingest
        from pulseq.results.database import Database
        ingest.BATCH_BYTES, ingest.HOLD_SECONDS = 10_000, -1.0
        ingest.ingest(Path(sys.argv[1]), Database(Path(sys.argv[2]), patience_seconds=60))
        """
    )
    reader = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from pulseq.results.database import Database
        from pulseq.results.sandbox import run_sql
        path, seen = Path(sys.argv[1]), 0
        while seen < 300:
            if path.exists():
                (row,) = run_sql(path, "select count(*) from duckdb_tables() where table_name = 'verdicts'",
                                 timeout_seconds=60, patience_seconds=60).rows
                if row[0]:
                    (row,) = run_sql(path, "select count(*) from results", timeout_seconds=60, patience_seconds=60).rows
                    assert row[0] >= seen, (row, seen)
                    seen = row[0]
        """
    )
    commands = [[sys.executable, "-c", writer, str(journal), str(database.path)] for journal in journals]
    commands.append([sys.executable, "-c", reader, str(database.path)])
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    try:
        errors = [child.communicate(timeout=240)[1] for child in children]
    finally:
        for child in children:
            child.kill()
    assert errors == ["", "", "", ""]
    assert ask(database, "SELECT run_id, count(*) FROM results GROUP BY ALL ORDER BY ALL") == [
        ("r0", 100),
        ("r1", 100),
        ("r2", 100),
    ]


def test_the_end_of_a_run_that_comes_alone_ends_what_still_ran(tmp_path: Path, database) -> None:
    begun = [
        RunStarted("r1", "suite", 1.0, "0"),
        TestPlanned("a", "", "a", "command", "medium"),
        AttemptStarted("a", "", 1, "n"),
    ]
    ending = [PrefectRunKnown("f-1", None), RunFinished(9.0, 8.0, 2, "interrupted")]
    other = Database(tmp_path / "other.duckdb")
    journal = tmp_path / "runs" / "r1" / "journal.jsonl"
    with JournalWriter(journal, clock=lambda: 5.0) as writer:
        for event in begun:
            writer.append(event)
        writer.commit()
        ingest(journal, database)
        assert ask(database, "SELECT test_id FROM running") == [("a",)]
        for event in ending:
            writer.append(event)
    report = ingest(journal, database)
    ingest(journal, other)

    assert (report.entries, report.end_offset) == (2, journal.stat().st_size)
    assert ask(database, "SELECT flow_run_id, exit_reason FROM runs") == [("f-1", "interrupted")]
    assert ask(database, "FROM running") == []
    assert everything(database) == everything(other)


def test_marks_that_a_run_heard_of_are_rows(story, database) -> None:
    marks = [NodeMark("a", MarkState.DRAINING, "firmware", "anna", 5.0), NodeMark("a", MarkState.OPEN)]
    journal = story.write("r1", [RunStarted("r1", "s", 1.0, "0"), *map(NodeMarked, marks)])
    ingest(journal, database)

    query = "SELECT run_id, seq, node_id, state, why, who, epoch(marked_at) FROM node_marks ORDER BY seq"
    assert ask(database, query) == [
        ("r1", 2, "a", "draining", "firmware", "anna", 5.0),
        ("r1", 3, "a", "open", None, None, 0.0),
    ]
