"""Tests from being scheduled to their verdicts."""

from __future__ import annotations

import pytest

from pulseq.distributed.scheduled_tests import ScheduledTests
from pulseq.events import AttemptStarted, RunNote, TestClosed
from pulseq.fleet import Strategy
from pulseq.models import SimulateBody, Status, TestCase
from pulseq.planning.queued import NodeOffer

A, B = NodeOffer("a", 1, {}), NodeOffer("b", 1, {"gpu": True})


def schedule(*ids: str) -> ScheduledTests:
    tests = ScheduledTests()
    for one in ids:
        tests.add({"id": one}, TestCase(one, SimulateBody(1.0)))
    return tests


def closed(test_id: str) -> TestClosed:
    return TestClosed(test_id, "", Status.PASSED, None, False, 1, "a")


def test_tests_are_assigned_as_they_come() -> None:
    tests = schedule("1", "2")
    tests.assign([A, B], Strategy.ROUND_ROBIN)
    tests.add({"id": "3"}, TestCase("3", SimulateBody(1.0)))
    tests.assign([A, B], Strategy.ROUND_ROBIN)

    assert [{"id": "1"}, {"id": "3"}] == tests.on_node("a")
    assert (2, 1) == (tests.count("a"), tests.count("b"))


def test_other_nodes_make_another_assignment() -> None:
    tests = schedule("1", "2", "3", "4")
    tests.assign([A], Strategy.ROUND_ROBIN)
    assert 4 == tests.count("a")
    tests.assign([A, B], Strategy.ROUND_ROBIN)

    assert (2, 2) == (tests.count("a"), tests.count("b"))
    tests.assign([], Strategy.ROUND_ROBIN)
    assert (0, 0) == (tests.count("a"), tests.count("b"))


def test_a_test_that_no_node_fits_is_assigned_nowhere_until_one_does() -> None:
    tests = ScheduledTests()
    tests.add({"id": "1"}, TestCase("1", SimulateBody(1.0), requirements={"gpu": True}))
    tests.assign([A], Strategy.ROUND_ROBIN)
    assert 0 == tests.count("a")
    tests.assign([A, B], Strategy.ROUND_ROBIN)

    assert tests.is_on("1", "b")


def test_a_second_test_of_an_id_is_refused_and_changes_nothing() -> None:
    tests = schedule("1")
    with pytest.raises(ValueError, match="id: found '1' again, expected one that no test waiting or running has"):
        tests.add({"id": "1"}, TestCase("1", SimulateBody(9.0)))

    assert 1 == tests.waiting


def test_a_run_takes_what_waits_and_tells_where_it_really_is() -> None:
    tests = schedule("1", "2")
    tests.assign([A, B], Strategy.ROUND_ROBIN)
    cases = tests.begin_run()
    tests.note(AttemptStarted("1", "", 1, "b"))
    tests.note(RunNote("nothing to it"))
    assert (["1", "2"], 0, 2) == ([case.id for case in cases], tests.waiting, tests.count("b"))
    tests.note(closed("1"))

    assert 1 == tests.count("b")


def test_after_a_run_its_tests_are_forgotten() -> None:
    tests = schedule("1", "2")
    cases = tests.begin_run()
    tests.note(closed("1"))
    tests.end_run(cases, again=False)
    tests.assign([A], Strategy.ROUND_ROBIN)

    assert (0, 0) == (tests.waiting, tests.count("a"))


def test_a_run_that_could_not_begin_gives_its_tests_back() -> None:
    tests = schedule("1", "2")
    tests.end_run(tests.begin_run(), again=True)
    tests.assign([A], Strategy.ROUND_ROBIN)

    assert (2, 2) == (tests.waiting, tests.count("a"))


def test_a_test_scheduled_during_a_run_waits_for_the_next() -> None:
    tests = schedule("1")
    tests.begin_run()
    tests.add({"id": "2"}, TestCase("2", SimulateBody(1.0)))
    tests.note(closed("2"))

    assert ["2"] == [case.id for case in tests.begin_run()]


def test_another_strategy_makes_another_assignment() -> None:
    tests = schedule("1", "2", "3", "4")
    nodes = [NodeOffer("a", 3, {}), NodeOffer("b", 1, {})]
    tests.assign(nodes, Strategy.ROUND_ROBIN)
    assert 2 == tests.count("a")
    tests.assign(nodes, Strategy.LEAST_LOADED)

    assert 3 == tests.count("a")
