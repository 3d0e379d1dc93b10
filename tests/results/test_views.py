"""The public views of the database."""

from datetime import UTC, datetime

import pytest

from pulseq.events import RunStarted, TestPlanned
from pulseq.models import Reason, Status
from pulseq.results.database import Database
from pulseq.results.ingest import ingest
from pulseq.results.sync import sync
from tests.results.asking import ask, told

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


def test_a_run_in_numbers(run: Database) -> None:
    (summary,) = told(run, "FROM run_summary")
    started, finished = datetime.fromtimestamp(START, UTC), datetime.fromtimestamp(START + 9, UTC)
    assert vars(summary) == {
        "run_id": "r1",
        "suite": "checkout",
        "projects": ["checkout"],
        "total_tests": 5,
        "passed": 2,
        "failed": 1,
        "errors": 1,
        "skipped": 1,
        "flaky": 1,
        "pass_rate": 40.0,
        "planned": 5,
        "not_run": 0,
        "deselected": 0,
        "warnings": 0,
        "xpassed": 0,
        "reruns": 0,
        "wall_seconds": 9.0,
        "test_seconds": 11.0,
        "started_at": started,
        "finished_at": finished,
        "exit_code": 1,
        "exit_reason": "failed",
        "prefect_url": "http://127.0.0.1:4200/runs/flow-run/flow-1",
    }


def test_what_was_not_run_is_no_error_and_in_no_rate(story, database: Database) -> None:
    stopped = [story.test(name, ERROR, reason=Reason.CANCELLED) for name in ("e", "f")]
    lost = story.test("d", ERROR, reason=Reason.NODE_LOST)
    ingest(story.run("r1", story.test("a", PASSED), story.test("b", FAILED), lost, *stopped), database)

    (summary,), (share, _) = told(database, "FROM run_summary"), told(database, "FROM node_summary ORDER BY node_id")

    counts = (3, 1, 1, 1, 0)
    assert counts == (summary.total_tests, summary.passed, summary.failed, summary.errors, summary.skipped)
    assert (100 / 3, 2, 5) == (summary.pass_rate, summary.not_run, summary.planned)
    assert counts == (share.total_tests, share.passed, share.failed, share.errors, share.skipped)
    assert (100 / 3, 2) == (share.pass_rate, share.not_run)


def test_a_run_of_which_nothing_was_run_has_no_rate(story, database: Database) -> None:
    ingest(story.run("r1", story.test("a", ERROR, reason=Reason.CANCELLED)), database)

    assert ask(database, "SELECT total_tests, pass_rate FROM run_summary") == [(0, 0.0)]


def test_a_run_without_verdicts_is_all_zeros(story, database: Database) -> None:
    ingest(story.write("r1", [RunStarted("r1", "s", START, "0"), TestPlanned("a", "", "a", "call", "low")]), database)
    query = "SELECT total_tests, planned, pass_rate, wall_seconds FROM run_summary"
    assert ask(database, query) == [(0, 1, 0.0, None)]


def test_every_node_has_its_share_idle_and_unknown_ones_too(run: Database) -> None:
    columns = "node_id, total_tests, passed, failed, errors, skipped, pass_rate, busy_seconds, attempts, not_run"
    assert ask(run, f"SELECT {columns} FROM node_summary ORDER BY node_id") == [
        ("node1", 4, 2, 1, 0, 1, 50.0, 7.0, 5, 0),
        ("node2", 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0),
        ("node3", 1, 0, 0, 1, 0, 0.0, 4.0, 1, 0),
    ]


def test_results_tell_the_deciding_attempt(run: Database) -> None:
    query = "SELECT attempts, duration, metrics['size'], epoch(started_at), epoch(finished_at) FROM results"
    assert ask(run, query + " WHERE test_id = 'b'") == [(2, 1.0, 20.0, START + 2, START + 3)]


def test_metrics_are_summed_up_over_all_attempts(run: Database) -> None:
    query = "SELECT count, min, max, p50 FROM metric_summary WHERE name = 'size'"
    assert ask(run, query) == [(6, 10.0, 20.0, 10.0)]


def test_the_flip_rate_counts_changes_among_the_last_twenty_own_verdicts(story, database: Database) -> None:
    outcomes = [FAILED, PASSED] * 2 + [PASSED] * 19
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
