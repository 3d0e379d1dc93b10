"""Nodes on other hosts, over ssh: what they cost beside nodes of this machine."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Bench, run_command
from tests.benchmarks.row import CannotMeasureError, Compare, Measured, Row, Samples, at_most
from tests.benchmarks.rows import real_suites
from tests.benchmarks.shares import open_share, pids_in, put_into
from tests.benchmarks.standing import pulseq_up, standing_of
from tests.hosts.host import Host
from tests.hosts.lab import Lab, open_lab
from tests.hosts.namespaces import processes_in
from tests.hosts.needs import find_missing

START, DISPATCH = "fleet-start", "fleet-dispatch"
NETWORKX_LOCAL, NETWORKX_XDIST, NETWORKX_OWN = "fleet-networkx", "fleet-networkx-xdist", "fleet-networkx-own"
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
    Row(
        NETWORKX_OWN,
        "the same on hosts with the time of half of a processor each, and driver and server elsewhere",
        "pytest -n2 --dist load on a machine with the time of both",
        "s",
        at_most(0.85),
    ),
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
        if bench.wants(NETWORKX_LOCAL, NETWORKX_XDIST, NETWORKX_OWN):
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
    """All three: hosts have one processor each, which they share with driver and server, or half of its time alone."""
    suite = real_suites.NETWORKX
    python = bench.environments.python(suite.environment, suite.packages)
    package = suite.quick if bench.quick else suite.target
    directory = bench.directory(NETWORKX_LOCAL)
    ours = partial(real_suites.run_ours, directory, python, package)
    load = partial(real_suites.run_pytest, directory, python, package, ("-n2", "--dist", "load"))
    measured: dict[str, list[real_suites.SuiteRun]] = {}
    if bench.wants(NETWORKX_LOCAL, NETWORKX_XDIST):
        hosts = _single_hosts(bench, lab, "single", shown, directory)
        with _two_fleets(bench, lab, hosts) as (far, near):
            sides = {"ssh": partial(ours, far, "--no-ship"), "local": partial(ours, near), "load": load}
            measured |= zip(sides, bench.interleave(*sides.values()), strict=True)
    if bench.wants(NETWORKX_OWN):
        with ExitStack() as stack:
            machine = stack.enter_context(open_share(HOSTS / 2))
            halves = [stack.enter_context(open_share(1 / 2)) for _ in range(HOSTS)]
            # They end before their groups do.
            own = stack.enter_context(open_lab(bench.directory("lab")))
            hosts = _single_hosts(bench, own, "half", shown, directory)
            for host, half in zip(hosts, halves, strict=True):
                for pid in _processes_of(host):
                    put_into(half, pid)
            with _fleet_on(bench, own, hosts) as far:
                if outside := [pid for host in hosts for pid in _processes_of(host) - pids_in(*halves)]:
                    raise RuntimeError(f"processes of hosts have more than their share: {outside}")
                sides = {"own ssh": partial(ours, far, "--no-ship"), "own load": partial(load, group=machine)}
                measured |= zip(sides, bench.interleave(*sides.values()), strict=True)
    note = f"{package}: {real_suites.check_counts(measured)} on all sides"
    seconds = {side: [run.seconds for run in runs] for side, runs in measured.items()}
    compared = {
        NETWORKX_LOCAL: ("ssh", "local"),
        NETWORKX_XDIST: ("ssh", "load"),
        NETWORKX_OWN: ("own ssh", "own load"),
    }
    return {
        row: Samples({mine: seconds[mine]}, {other: seconds[other]}, (note,))
        for row, (mine, other) in compared.items()
        if mine in seconds
    }


def _single_hosts(bench: Bench, lab: Lab, name: str, shown: tuple[Path, ...], directory: Path) -> list[Host]:
    """Hosts of one processor each, as a machine of one slot has, with an empty directory."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < HOSTS:
        raise CannotMeasureError(f"{HOSTS} hosts of a processor each are asked for, and there is one processor")
    hosts = [
        lab.open_host(f"{name}{number}", shown=shown, disk=bench.directory("homes"), processors=[processor])
        for number, processor in enumerate(processors[:HOSTS])
    ]
    for host in hosts:
        # The suite is the environment's, which is there at the same path, and so is an empty directory to run it in.
        host.run(["mkdir", "-p", directory])
    return hosts


def _processes_of(host: Host) -> set[int]:
    return {host.pid, *(process.pid for process in processes_in(host.pid))}


@contextmanager
def _two_fleets(bench: Bench, lab: Lab, hosts: Sequence[Host]) -> Iterator[tuple[Path, Path]]:
    """State directories of two nodes that are up on hosts, and of two on this machine; one slot each."""
    with (
        _fleet_on(bench, lab, hosts) as far,
        pulseq_up(bench.directory("near") / "home", nodes=HOSTS, slots=1) as near,
    ):
        yield far, near


def _fleet_on(bench: Bench, lab: Lab, hosts: Sequence[Host]) -> AbstractContextManager[Path]:
    """The state directory of two nodes that are up on hosts, with one slot each."""
    names = [host.name for host in hosts]
    home = bench.directory("far") / "home"
    return pulseq_up(home, nodes=HOSTS, slots=1, hosts=names, variables=lab.environment)


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
