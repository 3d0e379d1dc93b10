"""Which node is on which machine."""

from __future__ import annotations

from pathlib import Path

from pulseq.cluster.node_starter import NodeStarter, count_slots, first_workers
from pulseq.fleet import Fleet, NodeSpec, SshSpec

FLEET = Fleet(
    (
        NodeSpec("here1", max_concurrent_tests=2),
        NodeSpec("lab1", "lab", max_concurrent_tests=3),
        NodeSpec("here2"),
        NodeSpec("lab2", "lab"),
        NodeSpec("other", "lab", ssh=SshSpec(user="somebody")),
    )
)


def test_workers_are_numbered_on_each_machine_by_itself() -> None:
    assert first_workers(FLEET) == {"here1": 0, "lab1": 0, "here2": 2, "lab2": 3, "other": 0}


def test_slots_of_this_machine_are_those_of_its_nodes() -> None:
    assert count_slots(FLEET) == 3


def test_nodes_of_one_host_and_account_share_a_connection(tmp_path: Path) -> None:
    starter = NodeStarter(
        FLEET, logs=tmp_path, shared=tmp_path, environment={}, heartbeat_seconds=5, node_timeout_seconds=60
    )
    here, lab1, _, lab2, other = map(starter.host_of, FLEET.nodes)
    assert here is None
    assert lab1 is lab2
    assert lab1 is not None
    assert lab1.slots == 4
    assert other is not lab1
