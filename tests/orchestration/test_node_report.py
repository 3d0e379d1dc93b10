from __future__ import annotations

import pytest
from msgspec.structs import replace

from pulseq.cluster.health_watch import HealthChange
from pulseq.events import NodeHealth
from pulseq.marks import MarkState, NodeMark
from pulseq.models import Liveness
from pulseq.orchestration.node_report import (
    change_event,
    mark_event,
    marked,
    no_scheduler,
    not_marked,
    nothing_stands,
    state_of_look,
    table_row,
)

GB = 10**9
WELL = NodeHealth(
    *("n", Liveness.ACTIVE, None, "tcp://s:1", "tcp://h:1", 0.0123, 1.53, 0.7, 2 * GB, 8 * GB, 3 * GB, 30 * GB, 4, 1),
    host="lab1",
    clock_offset=0.002,
    clock_uncertainty=0.006,
    latency_p50=0.0081,
    link_breaks=1,
    leaked_processes=3,
    stray_processes=2,
    store_free=5 * GB,
    store_total=10 * GB,
    version="1.2.3",
    python="3.12.1",
    protocol=1,
)
FAST = NodeHealth("f", Liveness.ACTIVE, clock_offset=41.23, clock_uncertainty=0.006)
GONE = NodeHealth("m", Liveness.INACTIVE, "it has left", "tcp://s:1")
MARK = NodeMark("lab1", MarkState.DRAINING, "firmware", "anna@desk", 5.5)


def test_a_line_of_the_table_has_units_for_people() -> None:
    assert {
        "node": "n",
        "host": "lab1",
        "state": "active",
        "answered in": "12 ms (median 8 ms)",
        "last heartbeat": "1.5 s ago",
        "link broke": "1 time",
        "clock": "the same",
        "running": "1 of 4",
        "load": "0.70",
        "memory free": "2.0 GB (25%)",
        "disk free": "3.0 GB (10%)",
        "store's disk free": "5.0 GB (50%)",
        "left behind": "3 killed, 2 alive: kill them",
        "versions": "PulseQ 1.2.3, Python 3.12.1, protocol 1",
        "why": "",
    } == table_row(WELL)


def test_what_a_node_did_not_tell_is_left_empty() -> None:
    assert {"node": "m", "state": "inactive", "why": "it has left"} == {
        name: text for name, text in table_row(GONE).items() if text
    }


@pytest.mark.parametrize(
    ("offset", "uncertainty", "said"),
    [(0.5, 0.01, "0.5 s ahead"), (-12.0, 0.5, "12.0 s behind"), (-41.23, 0.5, "41.2 s behind: set it")],
)
def test_a_clock_is_said_as_far_as_it_differs(offset: float, uncertainty: float, said: str) -> None:
    seen = NodeHealth("n", Liveness.ACTIVE, clock_offset=offset, clock_uncertainty=uncertainty)
    assert table_row(seen)["clock"] == said


def test_an_event_names_the_node_and_what_has_changed() -> None:
    event = change_event(HealthChange(Liveness.ACTIVE, GONE), "flow")

    assert "pulseq.node.changed" == event["event"]
    assert ("pulseq.node.m", "inactive") == (
        event["resource"]["prefect.resource.id"],
        event["resource"]["pulseq.node.status"],
    )
    assert {"before": "active", "after": "inactive", "why": "it has left"} == event["payload"]
    assert "it answers" == change_event(HealthChange(Liveness.INACTIVE, WELL), "flow")["payload"]["why"]


def test_the_flow_run_says_which_nodes_are_not_active() -> None:
    full = replace(WELL, why="its disk is full")
    ends = [state_of_look(rows) for rows in ([WELL], [WELL, GONE], [], [WELL, FAST], [FAST, GONE], [full])]

    assert [
        ("Healthy", "1 node active"),
        ("Degraded", "1 of 2 nodes not active: m inactive (it has left)"),
        ("NoNodes", "the scheduler has no node"),
        ("Healthy", "2 nodes active; the clock of f is 41.2 s ahead: set it"),
        ("Degraded", "1 of 2 nodes not active: m inactive (it has left); the clock of f is 41.2 s ahead: set it"),
        ("Degraded", "1 node active; n gets no tests: its disk is full"),
    ] == [(end.name, end.message) for end in ends]
    assert all(end.is_completed() for end in ends)


def test_a_scheduler_that_is_gone_fails_the_flow_run_and_one_that_is_not_up_does_not() -> None:
    assert (True, True) == (no_scheduler("gone").is_failed(), nothing_stands("nothing").is_completed())


def test_an_event_says_which_node_is_to_have_what_why_and_who_said_so() -> None:
    event = mark_event(MARK, "f1")

    assert ("pulseq.node.marked", "1970-01-01T00:00:05.500000+00:00") == (event["event"], event["occurred"])
    assert {
        "prefect.resource.id": "pulseq.node.lab1",
        "prefect.resource.name": "lab1",
        "pulseq.node.state": "draining",
    } == event["resource"]
    assert {"state": "draining", "why": "firmware", "who": "anna@desk"} == event["payload"]
    assert [{"prefect.resource.id": "prefect.flow-run.f1", "prefect.resource.role": "flow-run"}] == event["related"]


def test_whoever_tells_of_a_mark_again_tells_the_same_event() -> None:
    later = NodeMark("lab1", MarkState.DRAINING, "firmware", "anna@desk", 6.5)

    assert mark_event(MARK, "f1")["id"] == mark_event(MARK, "f2")["id"] != mark_event(later, "f1")["id"]


def test_a_flow_run_says_what_it_has_marked_or_why_not() -> None:
    assert ("Marked", "lab1 draining") == ((state := marked([MARK], None)).name, state.message)
    assert "do not outlive the scheduler: the disk is full" in (marked([MARK], "the disk is full").message or "")
    assert ("NotMarked", "FAILED") == ((state := not_marked("no node")).name, state.type.value)
