"""Nodes as they are described."""

from __future__ import annotations

import pytest

from pulseq.fleet import Fleet, NodeSpec, SshSpec


@pytest.mark.parametrize(
    ("spec", "local"),
    [
        (NodeSpec("n"), True),
        (NodeSpec("n", "127.0.0.1"), True),
        (NodeSpec("n", "lab1.example"), False),
        (NodeSpec("n", joins=True), False),
        (NodeSpec("n", ssh=SshSpec(user="tester")), False),
    ],
)
def test_a_node_of_this_machine_is_told_from_others(spec: NodeSpec, local: bool) -> None:
    assert spec.is_local is local


def test_slots_of_a_fleet_are_those_of_its_nodes() -> None:
    assert Fleet((NodeSpec("a", max_concurrent_tests=2), NodeSpec("b"))).slots == 3
