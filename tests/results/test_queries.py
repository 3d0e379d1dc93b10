from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.events import RunStarted, TestPlanned
from pulseq.models import Reason, Status
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.queries import (
    NodeShare,
    RunSummary,
    StoredResult,
    failures,
    latest_run_id,
    node_shares,
    run_summary,
    slowest,
)
from pulseq.results.sync import sync

PASSED, FAILED, ERROR, SKIPPED = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED
START = 1_700_000_000.0


@pytest.fixture
def run(story, database: Database) -> Database:
    tests = [
        story.test("a", PASSED, duration=2.0),
        story.test("b", FAILED, PASSED, duration=1.0),
        story.test("c", FAILED, duration=3.0, variant="browser=firefox"),
        story.test("d", ERROR, reason=Reason.TIMEOUT, duration=4.0, node_id="node3"),
        story.test("e", SKIPPED, reason=Reason.SKIP, duration=0.0),
    ]
    ingest(story.run("r1", *tests), database)
    return database


def ask(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.read() as connection:
        return connection.execute(query).fetchall()


def test_a_run_in_numbers(run: Database) -> None:
    started, finished = datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START + 9, UTC)
    url = "http://127.0.0.1:4200/runs/flow-run/flow-1"
    counts = (5, 2, 1, 1, 1, 1, 40.0)
    told = RunSummary("r1", "checkout", *counts, 9.0, 11.0, url, 5, started, finished, 1, "failed")
    assert run_summary(run) == replace(told, projects=["checkout"])


def test_what_was_not_run_is_no_error_and_in_no_rate(story, database: Database) -> None:
    stopped = [story.test(name, ERROR, reason=Reason.CANCELLED) for name in ("e", "f")]
    lost = story.test("d", ERROR, reason=Reason.NODE_LOST)
    ingest(story.run("r1", story.test("a", PASSED), story.test("b", FAILED), lost, *stopped), database)

    summary, share = run_summary(database), node_shares(database)[0]

    counts = (3, 1, 1, 1, 0)
    assert counts == (summary.total_tests, summary.passed, summary.failed, summary.errors, summary.skipped)
    assert (100 / 3, 2, 5) == (summary.pass_rate, summary.not_run, summary.planned)
    assert counts == (share.total_tests, share.passed, share.failed, share.errors, share.skipped)
    assert (100 / 3, 2) == (share.pass_rate, share.not_run)
    assert ["b", "d"] == [one.test_id for one in failures(database)]


def test_a_run_of_which_nothing_was_run_has_no_rate(story, database: Database) -> None:
    ingest(story.run("r1", story.test("a", ERROR, reason=Reason.CANCELLED)), database)

    assert (0, 0.0, 1) == (run_summary(database).total_tests, run_summary(database).pass_rate, 1)


def test_a_run_without_verdicts_is_all_zeros(story, database: Database) -> None:
    ingest(story.write("r1", [RunStarted("r1", "s", START, "0"), TestPlanned("a", "", "a", "call", "low")]), database)
    summary = run_summary(database, "r1")
    assert (summary.total_tests, summary.planned, summary.pass_rate, summary.wall_seconds) == (0, 1, 0.0, None)


def test_the_last_run_is_the_one_that_started_last(story, database: Database) -> None:
    for run_id, at in (("late", START + 5), ("early", START)):
        ingest(story.run(run_id, story.test("a", PASSED), at=at), database)
    assert (latest_run_id(database), run_summary(database).run_id) == ("late", "late")


def test_a_run_that_is_not_there_is_refused(run: Database) -> None:
    with pytest.raises(UsageError, match="has no run 'r9'"):
        run_summary(run, "r9")


def test_a_database_without_runs_is_refused(tmp_path: Path) -> None:
    sync(tmp_path)
    with pytest.raises(UsageError, match="has no run yet"):
        latest_run_id(Database(tmp_path / "results.duckdb"))


def test_every_node_has_its_share_idle_and_unknown_ones_too(run: Database) -> None:
    assert node_shares(run) == (
        NodeShare("r1", "node1", 4, 2, 1, 0, 1, 50.0, 7.0, 5),
        NodeShare("r1", "node2", 0, 0, 0, 0, 0, 0.0, 0.0, 0),
        NodeShare("r1", "node3", 1, 0, 0, 1, 0, 0.0, 4.0, 1),
    )


def test_the_slowest_tests_of_a_run(run: Database) -> None:
    assert [(item.test_id, item.duration) for item in slowest(run, limit=2)] == [("d", 4.0), ("c", 3.0)]


def test_the_failures_of_a_run(run: Database) -> None:
    variant = "browser=firefox"
    assert failures(run) == (
        StoredResult("c", variant, "name of c", "node1", FAILED, Reason.ASSERTION, False, 1, 3.0, "c says no"),
        StoredResult("d", "", "name of d", "node3", ERROR, Reason.TIMEOUT, False, 1, 4.0, "d says no"),
    )


def test_results_tell_the_deciding_attempt(run: Database) -> None:
    query = "SELECT attempts, duration, metrics['size'], epoch(started_at), epoch(finished_at) FROM results"
    assert ask(run, query + " WHERE test_id = 'b'") == [(2, 1.0, 20.0, START + 2, START + 3)]


def test_metrics_are_summed_up_over_all_attempts(run: Database) -> None:
    query = "SELECT count, min, max, p50 FROM metric_summary WHERE name = 'size'"
    assert ask(run, query) == [(6, 10.0, 20.0, 10.0)]


def test_the_flip_rate_counts_changes_among_the_last_twenty_own_verdicts(story, database: Database) -> None:
    outcomes = [FAILED, PASSED] * 5 + [PASSED] * 19
    for number, status in enumerate(outcomes):
        events = story.test("steady", PASSED) + story.test("t", status)
        story.write(f"r{number:02}", events, at=START + number)
    sync(story.home, database)
    assert ask(database, "FROM flaky_tests") == []
    story.write("r99", story.test("t", FAILED), at=START + 99)
    sync(story.home, database)
    rows = ask(database, "SELECT test_id, flip_rate, in_run_flakes, epoch(last_seen), verdicts FROM flaky_tests")
    assert rows == [("t", 1 / 19, 0, START + 99, 20)]


@pytest.mark.parametrize("reason", [Reason.NODE_LOST, Reason.CANCELLED, Reason.UNSATISFIABLE, Reason.INTERNAL])
def test_verdicts_of_the_infrastructure_are_no_flips(story, database: Database, reason: Reason) -> None:
    story.run("r1", story.test("t", PASSED))
    story.run("r2", story.test("t", ERROR, reason=reason))
    sync(story.home, database)
    assert ask(database, "FROM flaky_tests") == []


def test_a_test_that_passed_at_its_second_attempt_is_flaky(run: Database) -> None:
    assert ask(run, "SELECT test_id, flip_rate, in_run_flakes FROM flaky_tests") == [("b", 0.0, 1)]


def test_tests_of_one_name_in_two_projects_are_two(story, database: Database) -> None:
    for number, project in enumerate(["/mine/shop.yaml", "/copy/shop.yaml"] * 2):
        status = FAILED if number % 2 else PASSED
        story.run(f"r{number}", story.test("a", status, duration=1.0 + number % 2), options={"projects": [project]})
    sync(story.home, database)

    assert ask(database, "FROM flaky_tests") == []
    rows = ask(database, "SELECT projects, p50, runs FROM slowest_tests")
    assert rows == [(["/copy/shop.yaml"], 2.0, 2), (["/mine/shop.yaml"], 1.0, 2)]


def test_runs_that_tell_no_project_go_with_the_newest_of_their_suite_that_does(story, database: Database) -> None:
    story.run("r0", story.test("a", PASSED))
    for number, project in enumerate(["/old/shop.yaml", "/new/shop.yaml"], 1):
        story.run(f"r{number}", story.test("a", FAILED), at=START + number, options={"projects": [project]})
    sync(story.home, database)

    assert [(["/new/shop.yaml"],)] == ask(database, "SELECT projects FROM flaky_tests")
    assert [(["/new/shop.yaml"],)] == ask(database, "SELECT projects FROM run_summary WHERE run_id = 'r0'")


def test_the_slowest_tests_of_all_runs(story, database: Database) -> None:
    for run_id, seconds in (("r1", 1.0), ("r2", 3.0)):
        story.run(run_id, story.test("a", PASSED, duration=seconds), story.test("b", PASSED, duration=0.5))
    sync(story.home, database)
    assert ask(database, "SELECT test_id, p50, runs FROM slowest_tests") == [("a", 2.0, 2), ("b", 0.5, 2)]
