"""Who has started nodes on other hosts dies: nothing of it lives on, here or there."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.hosts.lab import Lab
from tests.promises import DEAD_WITH_NODE_SECONDS, OUTLIVED_SECONDS
from tests.system.fleet_place import RUN, FleetPlace
from tests.system.workplace import Workplace, finish, until

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


def test_a_host_whose_connection_ends_ends_its_tests(place: FleetPlace) -> None:
    first, second = place.lab(2)
    _start(place)

    first.kill_sshd()

    until(lambda: not first.processes(), "its tests are gone", DEAD_WITH_NODE_SECONDS)
    assert any("sleep 601" in words for words in second.describe_processes())
