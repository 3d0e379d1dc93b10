from __future__ import annotations

from pathlib import Path

from pulseq.cluster.standing_cluster import Condition, StandingCluster
from pulseq.fleet import Fleet, FrameworkConfig, NodeSpec
from pulseq.planning.liveness import LivenessRule
from pulseq.processes.process_id import ProcessId
from pulseq.run.health_check import HealthRequest, make_watch

CLUSTER = StandingCluster(
    keeper=ProcessId(1, 1.0),
    condition=Condition.RUNNING,
    api_url="http://h/api",
    ui_url=None,
    scheduler="tcp://s:1",
    fleet=Fleet((NodeSpec("a"), NodeSpec("b")), FrameworkConfig(heartbeat_interval=3, node_timeout=9)),
    since=0.0,
)


def test_limits_and_nodes_are_those_of_the_cluster_that_stands() -> None:
    watch = make_watch(HealthRequest(), "tcp://s:1", CLUSTER)

    assert (LivenessRule(3, 9), {"a", "b"}, "tcp://s:1") == (watch.rule, set(watch.expected), watch.scheduler)


def test_limits_that_are_asked_for_go_first() -> None:
    request = HealthRequest(Path("."), heartbeat_interval=1, node_timeout=2)

    assert LivenessRule(1, 2) == make_watch(request, "tcp://s:1", CLUSTER).rule


def test_another_scheduler_has_the_defaults_and_no_nodes_that_are_to_be_there() -> None:
    watch = make_watch(HealthRequest(), "tcp://s:2", CLUSTER)

    assert (LivenessRule(30, 60), frozenset()) == (watch.rule, watch.expected)
