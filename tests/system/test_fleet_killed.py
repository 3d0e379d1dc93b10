"""Who has started nodes on other hosts dies: nothing of it lives on, here or there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import pytest
from distributed import rpc

from pulseq.cluster.standing_cluster import find_cluster, find_credentials
from pulseq.security.tls import connection_args
from tests.hosts.lab import Lab
from tests.promises import BACK_SECONDS, DEAD_WITH_NODE_SECONDS, OUTLIVED_SECONDS
from tests.system.fleet_place import RUN, FleetPlace
from tests.system.workplace import PATIENCE_SECONDS, Workplace, finish, until

NODE_TIMEOUT = 12
#: A body that heeds no wish to end, and a grandchild that has left its session.
STUBBORN = "trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM HUP; sleep 601' & sleep 600; sleep 600"


@pytest.fixture
def place(workplace: Workplace, hosts: Lab) -> FleetPlace:
    workplace.environment |= hosts.environment
    return FleetPlace(workplace, hosts)


def _start(place: FleetPlace) -> int:
    """A run with a test on each of two hosts; the number of its process."""
    names = [host.name for host in place.lab.hosts]
    tests = [{"id": name, "command": STUBBORN, "shell": True} for name in names]
    suite = place.write_suite(f"suite: stubborn\ntests: {json.dumps(tests)}\n")
    nodes = place.write_nodes(
        [{"id": name, "host": name} for name in names], node_timeout=NODE_TIMEOUT, heartbeat_interval=1
    )
    run = place.workplace.start("run", suite, "--nodes", nodes, "--run-id", RUN)
    until(lambda: all("sleep 601" in host.describe_processes() for host in place.lab.hosts), "all bodies are there")
    return run.pid


def test_nothing_outlives_a_run_that_is_killed(place: FleetPlace) -> None:
    reached, cut = place.lab(2)
    pid = _start(place)
    cut.cut()

    os.kill(pid, signal.SIGKILL)

    until(lambda: not place.workplace.processes(), "nothing of the run is left here", OUTLIVED_SECONDS)
    assert [] == place.find_left([reached])
    # This one cannot know before it has heard nothing for so long.
    assert [] == place.find_left([cut], NODE_TIMEOUT + OUTLIVED_SECONDS)


@pytest.mark.slow
def test_nothing_outlives_a_run_that_is_interrupted(place: FleetPlace) -> None:
    reached, frozen = place.lab(2)
    pid = _start(place)
    frozen.freeze()

    os.kill(pid, signal.SIGINT)
    ended = finish(place.workplace.started[0])
    left = place.find_left([reached])
    frozen.thaw()

    assert 2 == ended.code, ended.err
    assert [] == left
    assert [] == place.find_left([frozen])


@pytest.mark.slow
def test_a_host_whose_connection_ends_ends_its_tests(place: FleetPlace) -> None:
    first, second = place.lab(2)
    _start(place)

    first.kill_sshd()

    until(lambda: not first.processes(), "its tests are gone", DEAD_WITH_NODE_SECONDS)
    assert any("sleep 601" in words for words in second.describe_processes())


def _marks(place: FleetPlace) -> dict[str, tuple[str, Any]]:
    """Of each node that is there, what people have said of it."""
    listed = place.workplace.run("node", "list", "--format", "json")
    assert listed.code == 0, listed.err
    return {node["id"]: (node["state"], node["mark"]) for node in listed.json["nodes"] if node["liveness"] == "active"}


def _seconds_until_joined(place: FleetPlace) -> dict[str, float]:
    """How long after the scheduler stood each node has joined it, by what both have written down."""
    home = place.workplace.home
    cluster = find_cluster(home)
    assert cluster is not None
    (began,) = [part.since for part in cluster.parts if part.name == "scheduler"]

    async def ask() -> tuple[dict[str, Any], list[Any]]:
        scheduler: Any = rpc(cluster.scheduler, connection_args=connection_args(find_credentials(home)))
        try:
            return (await scheduler.identity(n_workers=-1))["workers"], await scheduler.events(topic="all")
        finally:
            await scheduler.close_rpc()

    workers, events = asyncio.run(ask())
    ids = {address: worker["pulseq"]["id"] for address, worker in workers.items() if "pulseq" in worker}
    return {
        ids[told["worker"]]: moment - began
        for moment, told in events
        if told["action"] == "add-worker" and told["worker"] in ids
    }


def test_a_fleet_that_is_killed_and_started_again_has_its_nodes_and_its_marks_back(place: FleetPlace) -> None:
    reached, drained, joined = place.lab(3)
    nodes = place.write_nodes([{"id": reached.name, "host": reached.name}])
    suite = place.write_suite("suite: one\ntests: [{id: first, command: ['true']}]\n")
    place.up(nodes)
    joining = [place.join(host, "--slots", "1") for host in (drained, joined)]
    for verb, name in (("cordon", reached.name), ("drain", drained.name)):
        assert 0 == place.workplace.run("node", verb, name, "--why", "new firmware").code
    marks = _marks(place)
    cluster = find_cluster(place.workplace.home)
    assert cluster is not None

    os.kill(cluster.keeper.pid, signal.SIGKILL)
    left = place.find_left([reached])
    until(lambda: not place.workplace.processes(), "nothing of it is left here", OUTLIVED_SECONDS)
    again = place.workplace.run("up", "--nodes", nodes, "--listen", place.listens)
    until(lambda: len(_marks(place)) == 3, "both are back", PATIENCE_SECONDS)

    assert 0 == again.code, again.err
    assert "what `pulseq up` had started has died; it is started anew" in again.err
    assert [] == left
    assert {reached.name: "cordoned", drained.name: "draining", joined.name: "open"} == {
        name: state for name, (state, _) in marks.items()
    }
    assert marks == _marks(place)
    took = _seconds_until_joined(place)
    assert {host.name for host in place.lab.hosts} == took.keys()
    assert max(took.values()) < BACK_SECONDS
    ended = place.workplace.run("run", suite, "--run-id", RUN)
    assert 0 == ended.code, ended.err
    assert ["first"] == place.starts(joined.name)
    for process in joining:
        process.send_signal(signal.SIGTERM)
    down = place.workplace.run("down")
    said = [process.communicate(timeout=60)[1] for process in joining]
    assert [0, 0, 0] == [down.code, *(process.returncode for process in joining)]
    assert [1, 1] == [text.count(f"joined tls://{place.listens} again") for text in said], said
    assert [] == place.find_left()
