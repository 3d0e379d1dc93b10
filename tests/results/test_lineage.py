"""Which earlier runs are a run's own history, asked of a journal and of the database alike."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pulseq.events import RunStarted
from pulseq.models import Suite
from pulseq.results.database import Database
from pulseq.results.lineage import SAME_LINEAGE, Lineage
from pulseq.results.sync import sync
from tests.results.conftest import Story

OWN, OTHER = "/mine/checkout.yaml", "/copy/checkout.yaml"


@pytest.mark.parametrize(
    ("projects", "lineage", "expected"),
    [
        ([OWN], Lineage("renamed", (OWN,)), True),
        ([OWN, OTHER], Lineage("checkout", (OWN,)), True),
        ([OWN], Lineage("both", (OTHER, OWN)), True),
        ([OTHER], Lineage("checkout", (OWN,)), False),
        ([OWN], Lineage("checkout"), False),
        ([], Lineage("checkout", (OWN,)), True),
        ([], Lineage("payment", (OWN,)), False),
    ],
)
def test_runs_that_share_a_project_are_of_one_lineage(
    story: Story, database: Database, projects: Sequence[str], lineage: Lineage, expected: bool
) -> None:
    story.run("r1", options={"projects": projects})
    sync(story.home, database)

    with database.read() as connection:
        query = f"SELECT run_id FROM runs AS r WHERE {SAME_LINEAGE}"
        found = connection.execute(query, lineage.parameters).fetchall()

    assert [("r1",)] * expected == found
    assert expected == lineage.includes(RunStarted("r1", "checkout", 0.0, "0.1", {"projects": projects}))


def test_a_suite_and_its_run_are_of_one_lineage() -> None:
    lineage = Lineage.of(Suite("checkout", (), projects=(OTHER, OWN)))

    assert lineage == Lineage.of_run(RunStarted("r1", "checkout", 0.0, "0.1", {"projects": [OTHER, OWN]}))
