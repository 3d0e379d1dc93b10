"""What earlier runs measured of each test."""

from pulseq.capabilities import requirement_key
from pulseq.events import NodeJoined
from pulseq.models import Reason, Status
from pulseq.results.database import Database
from pulseq.results.history import MeasuredDurations, measured_durations
from pulseq.results.lineage import Lineage
from pulseq.results.sync import sync

LINEAGE = Lineage("checkout", ("/mine/checkout.yaml",))
PASSED, FAILED, ERROR, SKIPPED = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED


def test_clean_attempts_alone_count(story, database: Database) -> None:
    tests = [
        story.test("a", PASSED, duration=2.0),
        story.test("b", FAILED, PASSED, duration=1.0),
        story.test("c", FAILED, duration=3.0, variant="browser=firefox"),
        story.test("d", ERROR, reason=Reason.TIMEOUT, duration=4.0),
        story.test("e", SKIPPED, reason=Reason.SKIP, duration=0.0),
    ]
    story.run("r1", *tests)
    sync(story.home, database)

    known = {("a", ""): 2.0, ("b", ""): 1.0, ("c", "browser=firefox"): 3.0}
    assert measured_durations(database, LINEAGE) == MeasuredDurations(known, {})


def test_a_test_takes_the_median_of_its_last_attempts(story, database: Database) -> None:
    story.run("r1", story.test("a", *[FAILED] * 3, duration=100.0))
    story.run("r2", story.test("a", *[FAILED] * 6, duration=2.0))
    sync(story.home, database)

    assert measured_durations(database, LINEAGE, limit=3).seconds == {("a", ""): 2.0}


def test_what_ran_on_different_nodes_is_known_for_each_kind(story, database: Database) -> None:
    kinds = {
        "slow1": {"os": "linux", "cpus": 1},
        "slow2": {"os": "linux", "cpus": 1},
        "fast": {"os": "linux", "cpus": 8},
    }
    for node_id, seconds in {"slow1": 3.0, "slow2": 5.0, "fast": 1.0}.items():
        joined = [NodeJoined(node_id, "localhost", 1, kinds[node_id])]
        only = story.test("b", PASSED, duration=1.0, node_id=node_id) if node_id == "fast" else []
        story.run(node_id, joined, story.test("a", PASSED, duration=seconds, node_id=node_id), only)
    sync(story.home, database)

    slow, fast = requirement_key(kinds["slow1"]), requirement_key(kinds["fast"])
    assert measured_durations(database, LINEAGE).by_class == {("a", ""): {slow: 4.0, fast: 1.0}}


def test_without_a_database_nothing_is_known(database: Database) -> None:
    assert measured_durations(database, LINEAGE) == MeasuredDurations({}, {})


def test_two_projects_of_one_name_do_not_share_durations(story, database: Database) -> None:
    for number, project in enumerate(["/mine/checkout.yaml", "/copy/checkout.yaml"]):
        story.run(f"r{number}", story.test("a", PASSED, duration=1.0 + number), options={"projects": [project]})
    sync(story.home, database)

    assert measured_durations(database, LINEAGE).seconds == {("a", ""): 1.0}
