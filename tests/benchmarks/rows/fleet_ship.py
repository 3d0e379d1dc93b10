"""A project on its way to four hosts, beside `rsync` to the same four side by side.

Measured is what a user waits for, the start of a run with Prefect's and the making of the trees included, of which
`rsync` has nothing: what is below the goal so is below it for the shipping alone.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench, clean_environment
from tests.benchmarks.row import CannotMeasureError, Measured, Row, Samples, at_most
from tests.benchmarks.rows.fleet import make_project, open_hosts, run_project
from tests.benchmarks.standing import pulseq_up
from tests.hosts.lab import Lab
from tests.hosts.needs import find_program

FIRST, AGAIN = "fleet-ship", "fleet-ship-again"
HOSTS = 4
#: What a host keeps of projects: blobs, and trees.
_KEPT = tuple(f".cache/pulseq/projects/{name}" for name in ("objects", "packs", "trees"))
#: How long the second time may take.
_AGAIN_SECONDS = 2.0
ROWS = (
    Row(
        FIRST,
        "100 MB in 5,000 files to four hosts for the first time, from a run's start to its first test on each",
        "rsync -a to the four, side by side",
        "s",
        at_most(1.5),
    ),
    Row(AGAIN, "the same after one changed file", "2 s", "s", at_most(1.0)),
)
#: One test for each host.
_SUITE = "suite: ship\ntests:\n" + "".join(
    f"  - {{id: t{number}, command: ['true'], requirements: {{place: {number}}}}}\n" for number in range(1, HOSTS + 1)
)


def measure(bench: Bench) -> Measured:
    """Both rows.

    Raises:
        CannotMeasureError: this machine can have no hosts, or has no rsync.
    """
    if find_program("rsync") == "rsync":
        raise CannotMeasureError("no rsync: apt-get install rsync")
    files, size = bench.size(5_000, 200), bench.size(100_000_000, 2_000_000)
    with open_hosts(bench, HOSTS) as lab:
        names = [host.name for host in lab.hosts]
        # It has no git: all files are its own.
        project = make_project(bench.directory(FIRST), _SUITE)
        _write_files(project / "data", files, size)
        again: list[float] = []
        with pulseq_up(
            bench.directory("far") / "home", nodes=HOSTS, slots=1, hosts=names, variables=lab.environment
        ) as home:
            first, theirs = bench.interleave(
                partial(_ship, lab, project, home, again), partial(_copy, lab, project / "data")
            )
    note = f"{files:,} files of {size / 1e6:g} MB"
    return {
        FIRST: Samples({"ship": first}, {"rsync": theirs}, (note,)),
        AGAIN: Samples({"ship": again}, {"limit": [_AGAIN_SECONDS]}, (note,)),
    }


def _write_files(directory: Path, count: int, size: int) -> None:
    """Files of text that compresses about as code does: to a third."""
    directory.mkdir()
    chance = random.Random(1)
    words = [f"{chance.randrange(1 << 32):x}" for _ in range(5_000)]
    for number in range(count):
        folder = directory / f"part{number % 50}"
        folder.mkdir(exist_ok=True)
        text = " ".join(chance.choices(words, k=size // count // 8))
        (folder / f"file{number}.py").write_text(text.ljust(size // count)[: size // count])


def _ship(lab: Lab, project: Path, home: Path, again: list[float]) -> float:
    """Seconds from the start of a run to its first test on the last host, which had nothing; then those of a second."""
    for host in lab.hosts:
        done = host.run(["rm", "-rf", *_KEPT])
        assert done.returncode == 0, done.stderr
    (project / "data" / "part0" / "file0.py").write_text(f"{time.monotonic_ns()}")
    first = _seconds_to_all(project, {"PULSEQ_HOME": str(home)})
    (project / "data" / "part0" / "file0.py").write_text(f"{time.monotonic_ns()}")
    again.append(_seconds_to_all(project, {"PULSEQ_HOME": str(home)}))
    return first


def _seconds_to_all(project: Path, environment: Mapping[str, str]) -> float:
    began, journal = run_project(project, environment)
    return max(float(line["time"]) for line in journal if line["kind"] == "attempt_started") - began


def _copy(lab: Lab, data: Path) -> float:
    for host in lab.hosts:
        host.run(["rm", "-rf", "copy"])
    began = time.perf_counter()
    copies = [
        subprocess.Popen(["rsync", "-a", f"{data}/", f"{host.name}:copy/"], env=clean_environment(**lab.environment))
        for host in lab.hosts
    ]
    if any(copy.wait(600) for copy in copies):
        raise RuntimeError("rsync has failed")
    return time.perf_counter() - began
