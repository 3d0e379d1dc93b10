from __future__ import annotations

from pulseq.cli.node_list import describe_node, render_nodes
from pulseq.events import NodeHealth
from pulseq.marks import MarkState, NodeMark
from pulseq.models import Liveness
from pulseq.standing.fleet import FleetNode
from pulseq.standing.standing_nodes import NodeView

HEALTH = NodeHealth(
    "lab1",
    Liveness.ACTIVE,
    address="tcp://h:1",
    latency=0.01,
    heartbeat_age=1.2,
    load=0.5,
    memory_available=8 * 10**9,
    memory_total=16 * 10**9,
    disk_free=90 * 10**9,
    disk_total=10**11,
)
VIEW = NodeView(2, {"os": "linux", "browser": "chrome"}, ("r1", "r2"), 3, 95.0)
BUSY = FleetNode(
    "lab1",
    "ssh",
    "lab1.example",
    HEALTH,
    VIEW,
    "0.2.0",
    NodeMark("lab1", MarkState.DRAINING, "new \x1b[31mfirmware", "anna@desk"),
    {"r1": 2, "r2": 1},
)
GONE = FleetNode("n", "local", "localhost", NodeHealth("n", Liveness.INACTIVE, "it is not joined to the scheduler"))


def test_people_read_what_a_node_is_has_and_does_and_why_it_gets_no_tests() -> None:
    assert [
        "lab1  active; ssh lab1.example; 2 slots, 2 running, 1 waiting for r1, r2; linux chrome; PulseQ 0.2.0; "
        "heard of 1 s ago; load 0.50; 8.0 GB of memory free; 90.0 GB of disk free",
        "      gets no tests: draining by anna@desk: new firmware",
        "n     inactive; local localhost",
        "      gets no tests: inactive: it is not joined to the scheduler",
    ] == list(render_nodes([BUSY, GONE]))


def test_programs_get_the_same() -> None:
    told = describe_node(BUSY)

    assert ("lab1", "ssh", "lab1.example", "tcp://h:1", "0.2.0", 2) == tuple(
        told[name] for name in ("id", "way", "host", "address", "version", "slots")
    )
    assert (2, 1, {"r1": 2, "r2": 1}, "active", 1.2, 0.5) == tuple(
        told[name] for name in ("running", "waiting", "runs", "liveness", "heartbeat_age", "load")
    )
    assert ("draining", False, "anna@desk") == (told["state"], told["drained"], told["mark"]["who"])
    assert describe_node(GONE)["state"] == "open"
    assert describe_node(GONE)["capabilities"] is None
