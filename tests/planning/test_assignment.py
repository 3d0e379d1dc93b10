"""Tests assigned before a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.fleet import Strategy
from pulseq.models import CapabilityValue, Priority
from pulseq.planning.assignment import Assignment
from pulseq.planning.queued import NodeOffer, QueuedTest


def fits(key: Hashable, capabilities: Mapping[str, CapabilityValue]) -> bool:
    return key == "any" or key in capabilities


def queue_of(*seconds: float | None, wants: str = "any") -> list[QueuedTest]:
    return [
        QueuedTest((f"{wants}{number}", ""), number, wants, Priority.MEDIUM, one) for number, one in enumerate(seconds)
    ]


def load_of(assignment: Assignment, tests: list[QueuedTest]) -> Counter[str]:
    return Counter(node for _, node in assignment.add(tests))


@pytest.mark.parametrize("strategy", Strategy)
@given(
    seconds=st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=40),
    nodes=st.integers(1, 5),
    cut=st.integers(0, 40),
)
def test_equal_nodes_never_differ_by_more_than_one(
    strategy: Strategy, seconds: list[float | None], nodes: int, cut: int
) -> None:
    assignment = Assignment(fits, strategy, [NodeOffer(f"node{number}", 2, {}) for number in range(nodes)])
    tests = queue_of(*seconds)
    load = load_of(assignment, tests[:cut]) + load_of(assignment, tests[cut:])

    counts = [load[f"node{number}"] for number in range(nodes)]
    assert len(tests) == sum(counts)
    assert max(counts) - min(counts) <= 1


def test_round_robin_goes_round() -> None:
    assignment = Assignment(fits, Strategy.ROUND_ROBIN, [NodeOffer("a", 5, {}), NodeOffer("b", 1, {})])

    assert ["a", "b", "a", "b"] == [node for _, node in assignment.add(queue_of(1.0, 1.0, 1.0, 1.0))]


def test_a_node_with_more_slots_is_given_more_by_load() -> None:
    assignment = Assignment(fits, Strategy.LEAST_LOADED, [NodeOffer("a", 3, {}), NodeOffer("b", 1, {})])

    assert {"a": 6, "b": 2} == load_of(assignment, queue_of(*[1.0] * 8))


def test_what_no_node_fits_is_left_out() -> None:
    assignment = Assignment(fits, Strategy.ADAPTIVE, [NodeOffer("a", 1, {"chrome": True})])

    assert [] == list(assignment.add(queue_of(1.0, wants="firefox")))
    assert {"a": 1} == load_of(assignment, queue_of(1.0, wants="chrome"))


def test_a_scarce_node_is_spared_for_what_needs_it() -> None:
    assignment = Assignment(fits, Strategy.ADAPTIVE, [NodeOffer("a", 1, {"gpu": True}), NodeOffer("b", 1, {})])
    anywhere, needy = queue_of(1.0), queue_of(1.0, wants="gpu")

    assert {("gpu0", ""): "a", ("any0", ""): "b"} == dict(assignment.add([*anywhere, *needy]))
