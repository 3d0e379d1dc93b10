"""Which failures are news."""

import pytest

from pulseq.models import Reason, Status
from pulseq.results.database import Database
from pulseq.results.lineage import Lineage
from pulseq.results.newly_failing import newly_failing
from pulseq.results.sync import sync
from tests.results.conftest import START, MakeDatabase, Story

FAILED = ("t1", "")


@pytest.fixture
def database(story: Story, make_database: MakeDatabase) -> Database:
    return make_database(story.home / "results.duckdb")


def tell(story: Story, database: Database, *verdicts: tuple[Status, Reason | None]) -> list[tuple[str, str]]:
    """What is new in a failure of `t1` after runs that ended with these verdicts, oldest first."""
    for number, (status, reason) in enumerate(verdicts):
        story.run(f"r{number}", story.test("t1", status, reason=reason), at=START + number * 100)
    sync(story.home, database)
    return newly_failing(database, Lineage("checkout"), "now", [FAILED])


def test_a_test_that_passed_before_is_news(story: Story, database: Database) -> None:
    assert [FAILED] == tell(story, database, (Status.FAILED, None), (Status.PASSED, None))


def test_a_test_that_failed_before_is_none(story: Story, database: Database) -> None:
    assert [] == tell(story, database, (Status.PASSED, None), (Status.FAILED, None))


def test_what_the_infrastructure_did_is_passed_over(story: Story, database: Database) -> None:
    assert [FAILED] == tell(story, database, (Status.PASSED, None), (Status.ERROR, Reason.NODE_LOST))


def test_a_test_without_history_is_none(story: Story, database: Database) -> None:
    tell(story, database, (Status.PASSED, None))

    assert [] == newly_failing(database, Lineage("checkout"), "now", [("t2", ""), ("t1", "other")])


def test_another_suite_is_no_history(story: Story, database: Database) -> None:
    tell(story, database, (Status.PASSED, None))

    assert [] == newly_failing(database, Lineage("payment"), "now", [FAILED])


def test_the_run_itself_is_no_history(story: Story, database: Database) -> None:
    tell(story, database, (Status.PASSED, None))

    assert [] == newly_failing(database, Lineage("checkout"), "r0", [FAILED])


def test_without_a_database_nothing_is_new(database: Database) -> None:
    assert [] == newly_failing(database, Lineage("checkout"), "now", [FAILED])


def test_what_passed_in_another_project_of_the_same_name_is_no_news(story: Story, database: Database) -> None:
    story.run("r0", story.test("t1", Status.PASSED), options={"projects": ["/copy/checkout.yaml"]})
    sync(story.home, database)

    assert [] == newly_failing(database, Lineage("checkout", ("/mine/checkout.yaml",)), "now", [FAILED])
    assert [FAILED] == newly_failing(database, Lineage("checkout", ("/copy/checkout.yaml",)), "now", [FAILED])
