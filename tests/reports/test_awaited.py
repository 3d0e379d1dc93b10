"""What the first test of a run waits for."""

from __future__ import annotations

import pytest

from pulseq.events import RunStarted, TestPlanned
from pulseq.reports.awaited import Awaited


def _awaited(**options: object) -> Awaited:
    awaited = Awaited()
    awaited.begin(RunStarted("r", "shop", 0.0, "1", options))
    return awaited


def _planned(test_id: str, body: str = "pytest") -> TestPlanned:
    return TestPlanned(test_id, "", "", body, "medium")


@pytest.mark.parametrize(
    ("nodes", "here", "words"),
    [(1, 0, "1 node"), (2, 0, "2 nodes"), (4, 1, "3 of 4 nodes"), (2, 2, "a free slot"), (None, 0, "a node")],
)
def test_nodes_are_waited_for_as_far_as_they_are_not_there(nodes: int | None, here: int, words: str) -> None:
    awaited = _awaited(nodes=nodes, own_server=True)
    awaited.flow_run = False

    assert words == awaited.say(nodes_here=here, tests_waiting=True)


@pytest.mark.parametrize(("own", "words"), [(True, "the Prefect server"), (False, "the Prefect API")])
def test_a_server_of_ones_own_is_waited_for_by_its_name(own: bool, words: str) -> None:
    assert words == _awaited(nodes=1, own_server=own).say(nodes_here=1, tests_waiting=True)


def test_all_that_is_missing_is_told_in_one_sentence() -> None:
    awaited = _awaited(nodes=2, own_server=True)
    for entry in ("unit", "system"):
        awaited.planned(_planned(entry))
    awaited.planned(_planned("lint", "command"))

    told = awaited.say(nodes_here=1, tests_waiting=True)

    assert "the Prefect server, 1 of 2 nodes and pytest to collect the tests of 2 entries" == told


def test_items_are_no_entries_to_be_collected() -> None:
    awaited = _awaited(nodes=0)
    awaited.flow_run = False
    for entry in ("unit", "system"):
        awaited.planned(_planned(entry))
    awaited.collected("unit")
    awaited.planned(_planned("unit::a.py::test_a"))

    assert "pytest to collect its tests" == awaited.say(nodes_here=0, tests_waiting=True)
    awaited.collected("system")
    assert ("a free slot", "") == tuple(awaited.say(nodes_here=0, tests_waiting=waiting) for waiting in (True, False))


def test_a_run_that_tells_nothing_of_itself_waits_for_the_usual() -> None:
    assert "the Prefect server and a node" == _awaited().say(nodes_here=0, tests_waiting=False)
