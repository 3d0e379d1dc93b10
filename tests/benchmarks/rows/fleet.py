"""Nodes on other hosts, over ssh: what they cost beside nodes of this machine."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, run_command
from tests.benchmarks.row import CannotMeasureError, Compare, Measured, Row, Samples, at_most
from tests.benchmarks.rows import real_suites
from tests.benchmarks.standing import pulseq_up, standing_of
from tests.hosts.host import Host
from tests.hosts.lab import Lab, open_lab
from tests.hosts.needs import find_missing

START, DISPATCH = "fleet-start", "fleet-dispatch"
NETWORKX_LOCAL, NETWORKX_XDIST = "fleet-networkx", "fleet-networkx-xdist"
HOSTS = 2
ROWS = (
    Row(
        START,
        "first verdict of a run that starts a node over ssh, its project already there",
        "the same on a local node",
        "s",
        at_most(1.5),
        Compare.MORE,
    ),
    Row(DISPATCH, "500 trivial tests on nodes of two hosts over ssh", "on two local nodes", "ms/test", at_most(1.2)),
    Row(NETWORKX_LOCAL, "networkx's suite on two hosts of 1 slot over ssh", "on two local nodes", "s", at_most(1.1)),
    Row(NETWORKX_XDIST, "the same", "pytest -n2 --dist load", "s", at_most(0.85)),
)


def measure(bench: Bench) -> Measured:
    """The rows that were asked for.

    Raises:
        CannotMeasureError: this machine can have no hosts.
    """
    measured: dict[str, Samples] = {}
    environments = bench.environments.cache
    environments.mkdir(parents=True, exist_ok=True)
    with open_hosts(bench, HOSTS, shown=(environments,)) as lab:
        if bench.wants(START):
            measured[START] = _measure_start(bench, lab)
        if bench.wants(DISPATCH):
            measured[DISPATCH] = _measure_dispatch(bench, lab)
        if bench.wants(NETWORKX_LOCAL, NETWORKX_XDIST):
            measured |= _measure_networkx(bench, lab, (environments,))
    return measured


@contextmanager
def open_hosts(bench: Bench, count: int, *, shown: tuple[Path, ...] = ()) -> Iterator[Lab]:
    """Hosts of this measurement, whose home directories are on a disk as those of machines are.

    Raises:
        CannotMeasureError: this machine can have none.
    """
    if missing := find_missing():
        raise CannotMeasureError(missing)
    with open_lab(bench.directory("lab")) as lab:
        lab(count, shown=shown, disk=bench.directory("homes"))
        yield lab


def _measure_start(bench: Bench, lab: Lab) -> Samples:
    project = make_project(bench.directory(START), "suite: one\ntests:\n  - {id: first, call: 'builtins:bool'}\n")
    with pulseq_up(bench.directory(START) / "home", nodes=1, slots=1) as home:
        # Of this the runs use the server alone; each starts its node.
        server = {**standing_of(home).variables, **lab.environment}
        ours = partial(_seconds_to_verdict, project, server, "--on", lab.hosts[0].name)
        theirs = partial(_seconds_to_verdict, project, server, "-n", "1")
        ours()  # the project gets there
        theirs()
        over_ssh, local = bench.interleave(ours, theirs)
    return Samples({"ssh": over_ssh}, {"local": local})


def _measure_dispatch(bench: Bench, lab: Lab) -> Samples:
    count = bench.size(500, 100)
    tests = "".join(f"  - {{id: t{number}, simulate: {{duration: 0}}}}\n" for number in range(count))
    project = make_project(bench.directory(DISPATCH), f"suite: many\ntests:\n{tests}")
    with _two_fleets(bench, lab, lab.hosts) as fleets:
        sides = [partial(_milliseconds_a_test, project, home, count) for home in fleets]
        for side in sides:
            side()  # the nodes import what a first run imports
        over_ssh, local = bench.interleave(*sides)
    return Samples({"ssh": over_ssh}, {"local": local})


def _measure_networkx(bench: Bench, lab: Lab, shown: tuple[Path, ...]) -> dict[str, Samples]:
    suite = real_suites.NETWORKX
    python = bench.environments.python(suite.environment, suite.packages)
    package = suite.quick if bench.quick else suite.target
    directory = bench.directory(NETWORKX_LOCAL)
    # Each has one processor, as a machine of one slot has: they share this machine's, and both would have both.
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < HOSTS:
        raise CannotMeasureError(f"{HOSTS} hosts of a processor each are asked for, and there is one processor")
    hosts = [
        lab.open_host(f"single{number}", shown=shown, disk=bench.directory("homes"), processors=[processor])
        for number, processor in enumerate(processors[:HOSTS])
    ]
    for host in hosts:
        # The suite is the environment's, which is there at the same path, and so is an empty directory to run it in.
        host.run(["mkdir", "-p", directory])
    with _two_fleets(bench, lab, hosts) as (far, near):
        sides = {
            "ssh": partial(real_suites.run_ours, directory, python, package, far, "--no-ship"),
            "local": partial(real_suites.run_ours, directory, python, package, near),
            "load": partial(real_suites.run_pytest, directory, python, package, ("-n2", "--dist", "load")),
        }
        measured = dict(zip(sides, bench.interleave(*sides.values()), strict=True))
    note = f"{package}: {real_suites.check_counts(measured)} on all sides"
    over_ssh, local, load = ([run.seconds for run in measured[side]] for side in sides)
    return {
        NETWORKX_LOCAL: Samples({"ssh": over_ssh}, {"local": local}, (note,)),
        NETWORKX_XDIST: Samples({"ssh": over_ssh}, {"load": load}, (note,)),
    }


@contextmanager
def _two_fleets(bench: Bench, lab: Lab, hosts: Sequence[Host]) -> Iterator[tuple[Path, Path]]:
    """State directories of two nodes that are up on hosts, and of two on this machine; one slot each."""
    names = [host.name for host in hosts]
    up = partial(pulseq_up, nodes=HOSTS, slots=1)
    with (
        up(bench.directory("far") / "home", hosts=names, variables=lab.environment) as far,
        up(bench.directory("near") / "home") as near,
    ):
        yield far, near


def make_project(directory: Path, suite: str) -> Path:
    """A project with a suite `suite.yaml`."""
    (directory / "suite.yaml").write_text(suite)
    return directory


def run_project(project: Path, environment: Mapping[str, str], *where: str) -> tuple[float, list[dict[str, Any]]]:
    """Run the suite; when that was begun, and the lines of the journal."""
    home = Path(environment.get("PULSEQ_HOME", project / f"home-{time.monotonic_ns()}"))
    run_id = f"run-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "pulseq", "run", "suite.yaml", "--run-id", run_id, "--granularity", "test", *where]
    began = time.time()
    run_command(command, cwd=project, environment={**environment, "PULSEQ_HOME": str(home)})
    journal = (home / "runs" / run_id / "journal.jsonl").read_text()
    return began, [json.loads(line) for line in journal.splitlines()]


def _seconds_to_verdict(project: Path, environment: Mapping[str, str], *where: str) -> float:
    began, journal = run_project(project, environment, *where)
    return min(float(line["time"]) for line in journal if line["kind"] == "test_closed") - began


def _milliseconds_a_test(project: Path, home: Path, count: int) -> float:
    _, journal = run_project(project, {"PULSEQ_HOME": str(home)})
    first = min(float(line["time"]) for line in journal if line["kind"] == "attempt_started")
    last = max(float(line["time"]) for line in journal if line["kind"] == "test_closed")
    return (last - first) / count * 1000
