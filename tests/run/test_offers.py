"""Which tests nodes may get."""

from __future__ import annotations

from pulseq.fleet import Fleet, NodeSpec
from pulseq.models import SimulateBody, TestCase
from pulseq.node.machine import read_machine
from pulseq.run.offers import find_offers, fits_any, may_be_sent

BENCH = NodeSpec("bench", capabilities={"bench": True, "os": "plan9"})
LAB = NodeSpec("lab", "lab1.example", capabilities={"arm": True})


def requiring(**requirements: bool | str) -> TestCase:
    return TestCase("t", SimulateBody(), requirements=requirements)


def test_a_node_offers_what_this_machine_is_and_what_it_says() -> None:
    offers = find_offers([BENCH, LAB])

    assert {**read_machine(), "arm": True} == offers["lab"]
    assert (True, "plan9") == (offers["bench"]["bench"], offers["bench"]["os"])
    assert [True, False] == [fits_any(requiring(**{name: True}), offers) for name in ("arm", "moon")]


def test_a_test_that_only_local_nodes_fit_is_not_sent_unless_all_are() -> None:
    tests = [requiring(), requiring(arm=True), requiring(bench=True)]
    fleet = Fleet((BENCH, LAB))

    assert [True, True, False] == list(map(may_be_sent(fleet, ship=None), tests))
    assert [True, True, True] == list(map(may_be_sent(fleet, ship=True), tests))
