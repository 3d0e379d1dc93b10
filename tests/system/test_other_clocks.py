"""A run over two machines whose clocks differ, one of which is set while tests run there.

No namespace has a wall clock of its own: what the nodes of a host run is shown another one by a library.
"""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hosts.host import Host
from tests.hosts.lab import Lab
from tests.hosts.login import HOME_OF, TESTER
from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, finish, until

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

SOURCE = Path(__file__).parents[1] / "hosts" / "off_clock.c"
SUITE = "suite: clocks\ntests:\n" + "".join(
    f"  - {{id: t{number:02}, command: [sleep, '0.4'], requirements: {{place: far}}}}\n" for number in range(16)
)
NODES = """\
nodes:
  - {id: near}
  - {id: far, host: host1, capabilities: {place: far}, ssh: {python: HOME/python}}
framework: {heartbeat_interval: 1, node_timeout: 15}
"""
AHEAD, BEHIND = 3600.0, -7200.0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with open_workplace(tmp_path) as workplace:
        yield workplace


@pytest.fixture
def host(hosts: Lab, tmp_path: Path) -> Host:
    """A host whose Python has a clock that can be set, and a kernel of its own as far as it can see."""
    (host,) = hosts(1)
    library = tmp_path / "off_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lm"], check=True)
    shutil.copy(library, host.path("off_clock.so"))
    home = HOME_OF[TESTER]
    host.write(
        "python", f'#!/bin/sh\nLD_PRELOAD={home}/off_clock.so OFF_CLOCK={home}/clock exec {sys.executable} "$@"\n'
    )
    host.path("python").chmod(0o755)
    host.write("boot_id", "the kernel of host1\n")
    mounted = host.run(["mount", "--bind", f"{home}/boot_id", "/proc/sys/kernel/random/boot_id"], user="root")
    assert mounted.returncode == 0, mounted.stderr
    set_clock(host, AHEAD)
    return host


def set_clock(host: Host, offset: float) -> None:
    """Set the host's clock; processes there see it at once."""
    clock = host.path("clock")
    if clock.exists():
        with open(clock, "r+b") as file:
            file.write(struct.pack("d", offset))
    else:
        host.write("clock", "")
        clock.write_bytes(struct.pack("d", offset))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _ended(place: Workplace) -> int:
    return sum(line["kind"] == "attempt_finished" for line in place.journal("r"))


def _ended_task_runs(api: str, flow_run_id: str) -> list[dict[str, Any]]:
    """The task runs of a flow run; none as long as the server has not recorded the start and the end of each."""
    query = {"flow_runs": {"id": {"any_": [flow_run_id]}}}
    told: list[dict[str, Any]] = httpx.post(f"{api}/task_runs/filter", json=query, timeout=60).raise_for_status().json()
    return told if sum(bool(one["start_time"] and one["end_time"]) for one in told) == 16 else []


@pytest.mark.slow
def test_times_are_those_of_the_driver_whatever_the_clock_of_a_node(
    host: Host, hosts: Lab, place: Workplace, prefect_api: str
) -> None:
    place.write("suite.yaml", SUITE)
    place.write("nodes.yaml", NODES.replace("HOME", HOME_OF[TESTER]))
    host.write(place.path / "here", "so that bodies have the same directory\n")
    place.environment |= hosts.environment
    running = place.start("run", "suite.yaml", "--nodes", "nodes.yaml", "--run-id", "r", PREFECT_API_URL=prefect_api)
    until(lambda: _ended(place) >= 5 or running.poll() is not None, "some have ended")
    set_clock(host, BEHIND)
    ran = finish(running)
    assert ran.code == 0, ran.err

    assert ran.err.count("the clock of node far is 3600.0 s ahead") == 1
    (run,) = place.sql("SELECT epoch(started_at) AS began, epoch(finished_at) AS ended, flow_run_id FROM runs")
    attempts = place.sql("SELECT epoch(started_at) AS began, duration FROM attempts ORDER BY test_id")
    assert len(attempts) == 16  # its node was never taken for silent
    assert all(0.4 <= one["duration"] < 30 for one in attempts)
    assert all(run["began"] < one["began"] < one["began"] + one["duration"] < run["ended"] + 0.1 for one in attempts)
    # One slot: each began when the one before had ended, but for what the two clocks were not known by.
    assert all(two["began"] > one["began"] + one["duration"] - 0.1 for one, two in itertools.pairwise(attempts))
    told = until(lambda: _ended_task_runs(prefect_api, run["flow_run_id"]), "the server has recorded all")
    assert all(run["began"] < _moment(one["start_time"]) < run["ended"] for one in told)
    assert all(run["began"] < _moment(one["end_time"]) < run["ended"] + 0.1 for one in told)

    (far,) = place.sql("SELECT host, clock_offset FROM nodes WHERE node_id = 'far'")
    assert (far["host"], round(far["clock_offset"])) == ("host1", BEHIND)
    looks = place.sql(
        "SELECT clock_offset, clock_uncertainty FROM node_health WHERE node_id = 'far' AND clock_offset IS NOT NULL "
        "ORDER BY seq"
    )
    assert abs(looks[0]["clock_offset"] - AHEAD) <= looks[0]["clock_uncertainty"] + 0.01
    assert abs(looks[-1]["clock_offset"] - BEHIND) <= looks[-1]["clock_uncertainty"] + 0.01
