"""The one line in which a run says what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import RunStarted
from pulseq.fleet import Fleet, NodeSpec
from pulseq.reports.start_line import DATABASE, PROJECTS, say_fleet, say_start
from pulseq.results import found_run, lineage
from pulseq.run.fleet_choice import fleet_on
from pulseq.safe_text import safe_line

TWO = Fleet((NodeSpec("a", max_concurrent_tests=1), NodeSpec("b", max_concurrent_tests=4)))
CWD = Path("/home/me/shop")


def _started(**options: object) -> RunStarted:
    return RunStarted("r", "shop", 0.0, "1", options)


@pytest.mark.parametrize(
    ("fleet", "standing", "scheduler", "said"),
    [
        (TWO, False, None, "2 local nodes with 5 slots"),
        (Fleet(TWO.nodes[:1], source="nodes/shop.yaml"), False, None, "1 node of nodes/shop.yaml"),
        (TWO, True, "tcp://s:1", "2 nodes of `pulseq up` with 5 slots"),
        (TWO, False, "tcp://s:1", "the nodes at tcp://s:1"),
        (fleet_on(["lab1", "lab2"]), False, None, "2 nodes on lab1, lab2"),
        (fleet_on([f"h{n}" for n in range(6)]), False, None, "6 nodes on h0, h1, h2, h3 and 2 more hosts"),
    ],
)
def test_nodes_are_told_by_where_they_come_from(fleet: Fleet, standing: bool, scheduler: str | None, said: str) -> None:
    assert said == say_fleet(fleet, standing=standing, scheduler=scheduler)


def test_project_history_and_nodes_are_one_line() -> None:
    started = _started(
        projects=["/home/me/shop"], database="/home/me/shop/.pulseq/results.duckdb", fleet="2 nodes of this machine"
    )

    told = "project ., history in .pulseq/results.duckdb, on 2 nodes of this machine"
    assert told == say_start(started, CWD)


def test_what_is_elsewhere_is_told_by_its_whole_path() -> None:
    started = _started(projects=["/srv/a.yaml", "/srv/b.yaml", "/srv/c.yaml"], database="/var/r.duckdb")

    assert "projects /srv/a.yaml and 2 more, history in /var/r.duckdb" == say_start(started, CWD)


def test_what_is_not_told_is_left_out() -> None:
    assert "" == say_start(_started(projects=[], database=None), CWD)


@given(st.dictionaries(st.sampled_from(["projects", "database", "fleet"]), st.text() | st.lists(st.text())))
def test_it_is_one_line_whatever_a_path_has_in_it(options: dict[str, object]) -> None:
    told = say_start(_started(**options), CWD)

    assert len(told.splitlines()) <= 1
    assert told == safe_line(told, 1000)


def test_its_words_are_those_of_who_writes_and_reads_them_elsewhere() -> None:
    assert (found_run.DATABASE, lineage.PROJECTS) == (DATABASE, PROJECTS)
