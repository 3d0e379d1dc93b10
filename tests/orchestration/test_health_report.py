from __future__ import annotations

from pulseq.cluster.health_watch import HealthChange
from pulseq.events import NodeHealth
from pulseq.models import Liveness
from pulseq.orchestration.health_report import (
    change_event,
    no_scheduler,
    nothing_stands,
    payload_of,
    state_of_look,
    table_row,
)

GB = 10**9
WELL = NodeHealth(
    "n", Liveness.ACTIVE, None, "tcp://s:1", "tcp://h:1", 0.0123, 1.53, 0.7, 2 * GB, 8 * GB, 3 * GB, 30 * GB, 4, 1
)
GONE = NodeHealth("m", Liveness.INACTIVE, "it has left", "tcp://s:1")


def test_a_line_of_the_table_has_units_for_people() -> None:
    assert {
        "node": "n",
        "state": "active",
        "answered in": "12 ms",
        "last heartbeat": "1.5 s ago",
        "running": "1 of 4",
        "load": "0.70",
        "memory free": "2.0 GB (25%)",
        "disk free": "3.0 GB (10%)",
        "why": "",
    } == table_row(WELL)


def test_what_a_node_did_not_tell_is_left_empty() -> None:
    assert {"node": "m", "state": "inactive", "why": "it has left"} == {
        name: text for name, text in table_row(GONE).items() if text
    }


def test_an_event_names_the_node_and_what_has_changed() -> None:
    event = change_event(HealthChange(Liveness.ACTIVE, GONE), "flow")

    assert "pulseq.node.changed" == event["event"]
    assert ("pulseq.node.m", "inactive") == (
        event["resource"]["prefect.resource.id"],
        event["resource"]["pulseq.node.status"],
    )
    assert {"before": "active", "after": "inactive", "why": "it has left"} == event["payload"]
    assert "it answers" == payload_of(HealthChange(Liveness.INACTIVE, WELL))["why"]


def test_the_flow_run_says_which_nodes_are_not_active() -> None:
    ends = [state_of_look(rows) for rows in ([WELL], [WELL, GONE], [])]

    assert [
        ("Healthy", "1 node active"),
        ("Degraded", "1 of 2 nodes not active: m inactive (it has left)"),
        ("NoNodes", "the scheduler has no node"),
    ] == [(end.name, end.message) for end in ends]
    assert all(end.is_completed() for end in ends)


def test_a_scheduler_that_is_gone_fails_the_flow_run_and_one_that_is_not_up_does_not() -> None:
    assert (True, True) == (no_scheduler("gone").is_failed(), nothing_stands("nothing").is_completed())
