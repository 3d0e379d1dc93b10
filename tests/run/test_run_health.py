"""What a run makes of looks at its nodes; what hears of it is a double here."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.cluster.health_watch import HealthChange, Look
from pulseq.events import Event, NodeHealth
from pulseq.models import FrameworkConfig, Liveness
from pulseq.run.run_health import RunHealth

ACTIVE, SUSPECT, INACTIVE = Liveness.ACTIVE, Liveness.SUSPECT, Liveness.INACTIVE
NODE = LiveNode("n", "tcp://h:1", "h", 1, {})


class _Nodes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def hold(self, node_id: str) -> None:
        self.told.append(("hold", node_id))

    def reopen(self, node_id: str) -> None:
        self.told.append(("reopen", node_id))

    def add_node(self, node: LiveNode) -> None:
        self.told.append(("add", node.id))

    def lose_node(self, node_id: str, why: str) -> None:
        self.told.append(("lose", node_id, why))


class _Run:
    """A run with one node, `n`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.nodes = _Nodes()
        self.cluster = Cluster()
        self.cluster.nodes["n"] = NODE
        self.cluster.on_joined, self.cluster.on_left = self.nodes.add_node, self.nodes.lose_node
        self.health = RunHealth(self.cluster, cast(Any, self.nodes), self.events.append, FrameworkConfig())

    def look(
        self, before: Liveness, after: Liveness, *, address: str = NODE.address, trouble: str | None = None
    ) -> None:
        row = NodeHealth("n", after, "it is silent", address=address)
        changes = (HealthChange(before, row),) if before is not after else ()
        self.health.take(Look((row,), changes, trouble))


@pytest.fixture
def run() -> _Run:
    return _Run()


def test_each_row_of_a_look_is_an_event_of_the_run(run: _Run) -> None:
    run.look(ACTIVE, ACTIVE)

    assert [NodeHealth("n", ACTIVE, "it is silent", address=NODE.address)] == run.events
    assert [] == run.nodes.told


def test_a_suspect_node_gets_no_tests_until_it_answers(run: _Run) -> None:
    run.look(ACTIVE, SUSPECT)
    run.look(SUSPECT, ACTIVE)

    assert [("hold", "n"), ("reopen", "n")] == run.nodes.told


def test_an_inactive_node_is_lost_to_the_run_and_takes_part_again_when_it_is_heard_of(run: _Run) -> None:
    run.look(SUSPECT, INACTIVE)
    lost = "n" not in run.cluster.nodes
    run.look(INACTIVE, ACTIVE)

    assert [("lose", "n", "it is silent"), ("add", "n")] == run.nodes.told
    assert (True, {"n": NODE}) == (lost, run.cluster.nodes)


def test_a_node_that_the_scheduler_has_lost_already_is_not_lost_twice(run: _Run) -> None:
    run.cluster.nodes.clear()
    run.look(ACTIVE, INACTIVE)

    assert [] == run.nodes.told


def test_another_process_in_the_place_of_a_lost_one_joins_by_itself(run: _Run) -> None:
    run.look(ACTIVE, INACTIVE)
    run.look(INACTIVE, ACTIVE, address="tcp://h:2")

    assert [("lose", "n", "it is silent")] == run.nodes.told


def test_a_scheduler_that_does_not_answer_costs_no_node(run: _Run) -> None:
    run.look(ACTIVE, INACTIVE, trouble="the scheduler does not answer")

    assert [] == run.nodes.told
    assert 1 == len(run.events)
