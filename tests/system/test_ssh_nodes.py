"""Runs on nodes of another host, reached by ssh: through a real sshd, on this machine.

What needs hosts of their own (links, other file systems) is in tests of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.promises import OUTLIVED_SECONDS
from tests.sshd import Sshd, needs_sshd, running_sshd
from tests.system.conftest import open_workplace
from tests.system.workplace import Workplace, finish, until

pytestmark = needs_sshd

SUITE = """\
suite: lab
tests:
  - {id: where, command: "printenv PULSEQ_NODE_ID"}
  - {id: sum, call: "math:fsum", args: [[1, 2]]}
"""
MANY = "suite: many\ntests:\n" + "".join(f"  - {{id: t{n}, command: [sleep, '0.3']}}\n" for n in range(40))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd"), sys.executable, "AcceptEnv TMPDIR") as running:
        yield running


def nodes_file(place: Workplace, sshd: Sshd, *ids: str, **ssh: Any) -> Path:
    """A nodes file with these nodes on the host, whose connections end after a silence of 12 s."""
    spec = {
        "port": sshd.port,
        "identity": sshd.spec.identity,
        "python": sshd.spec.python,
        "directory": str(place.path / "projects"),
        # What tells processes of this workplace from others travels by ssh's own means.
        "options": {**dict(sshd.spec.options), "SetEnv": f"TMPDIR={place.temp}"},
        **ssh,
    }
    nodes = [{"id": node_id, "host": "lab.example", "ssh": spec} for node_id in ids]
    return place.write("nodes.yaml", json.dumps({"nodes": nodes, "framework": {"node_timeout": 12}}))


@pytest.fixture
def place(tmp_path: Path, prefect_api: str) -> Iterator[Workplace]:
    with open_workplace(tmp_path) as workplace:
        workplace.environment["PREFECT_API_URL"] = prefect_api
        yield workplace


def _masters(place: Workplace) -> list[psutil.Process]:
    """The connections that runs of this workplace hold."""
    return [process for process in place.processes() if process.name() == "ssh"]


def test_a_suite_runs_on_another_host(place: Workplace, sshd: Sshd) -> None:
    suite = place.write("shop/suite.yaml", SUITE)
    ran = place.run("run", suite, "--nodes", nodes_file(place, sshd, "lab1", "lab2"), "--run-id", "r")
    assert ran.code == 0, ran.err
    assert "on 2 nodes of" in ran.err
    assert "host lab.example is there after" in ran.err
    rows = place.sql("SELECT test_id, status, node_id FROM results ORDER BY test_id")
    assert [(row["test_id"], row["status"]) for row in rows] == [("sum", "passed"), ("where", "passed")]
    assert {row["node_id"] for row in rows} <= {"lab1", "lab2"}


@pytest.mark.slow
def test_a_connection_that_is_lost_costs_no_verdict_and_comes_back(place: Workplace, sshd: Sshd) -> None:
    suite = place.write("shop/suite.yaml", MANY)
    nodes = nodes_file(place, sshd, "lab1", "lab2")
    running = place.start("run", suite, "--nodes", nodes, "--run-id", "r")
    until(lambda: sum(line["kind"] == "attempt_finished" for line in place.journal("r")) > 4, "tests run")
    [master] = _masters(place)
    os.kill(master.pid, signal.SIGKILL)
    ran = finish(running)
    assert ran.code == 0, ran.err
    rows = place.sql("SELECT test_id, status, attempt, reason FROM attempts WHERE run_id = 'r'")
    assert {row["test_id"] for row in rows if row["status"] == "passed"} == {f"t{n}" for n in range(40)}
    joined = [line["data"]["node_id"] for line in place.journal("r") if line["kind"] == "node_joined"]
    assert sorted(joined) == ["lab1", "lab1", "lab2", "lab2"]


@pytest.mark.slow
def test_a_program_on_the_host_that_is_killed_costs_no_verdict(place: Workplace, sshd: Sshd) -> None:
    suite = place.write("shop/suite.yaml", MANY)
    running = place.start("run", suite, "--nodes", nodes_file(place, sshd, "lab1", "lab2"), "--run-id", "r")
    until(lambda: sum(line["kind"] == "attempt_finished" for line in place.journal("r")) > 4, "tests run")
    [program] = [one for one in place.processes() if "pulseq.node.host_process" in one.cmdline()]
    program.kill()
    ran = finish(running)
    assert ran.code == 0, ran.err
    rows = place.sql("SELECT test_id, status, reason FROM attempts WHERE run_id = 'r'")
    assert {row["test_id"] for row in rows if row["status"] == "passed"} == {f"t{n}" for n in range(40)}
    assert {row["reason"] for row in rows if row["status"] != "passed"} <= {"node_lost"}


def test_a_host_that_cannot_be_used_ends_the_run_before_any_test(place: Workplace, sshd: Sshd) -> None:
    suite = place.write("shop/suite.yaml", SUITE)
    ran = place.run("run", suite, "--nodes", nodes_file(place, sshd, "lab1", port=1), "--run-id", "r")
    assert ran.code == 10
    [line] = [line for line in ran.err.splitlines() if line.startswith("pulseq: ")]
    assert line == (
        "pulseq: host 'lab.example' cannot be reached: nothing listens there; start sshd there, or give its `port`"
    )
    assert not [line for line in place.journal("r") if line["kind"] == "attempt_started"]


@pytest.mark.slow
def test_pulseq_up_keeps_nodes_on_another_host(place: Workplace, sshd: Sshd) -> None:
    suite = place.write("shop/suite.yaml", SUITE)
    up = place.run("up", "--nodes", nodes_file(place, sshd, "lab1"))
    assert up.code == 0, up.err
    try:
        ran = place.run("run", suite, "--run-id", "r")
        assert ran.code == 0, ran.err
        [master] = _masters(place)
        os.kill(master.pid, signal.SIGKILL)
        until(lambda: [process for process in _masters(place) if process.pid != master.pid], "it connects again")
        until(lambda: "lab1" in place.nodes(), "the node is back")
        again = place.run("run", suite, "--run-id", "again")
        assert again.code == 0, again.err
    finally:
        down = place.run("down")
    assert down.code == 0
    until(lambda: not place.processes(), "nothing of it is left", OUTLIVED_SECONDS)
