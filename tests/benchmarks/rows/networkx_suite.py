"""A real suite, networkx's own, from its wheel: beside pytest-xdist on as many processes."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench, run_command
from tests.benchmarks.row import Measured, Row, Samples, at_most
from tests.benchmarks.standing import Standing, pulseq_standing

ONE_NODE, TWO_NODES, ALONE = "networkx-one-node", "networkx-two-nodes", "networkx-cold"
_XDIST = "best of pytest -n2 --dist load, loadfile, worksteal"
ROWS = (
    Row(ONE_NODE, "networkx's suite, one node of 2 slots up", _XDIST, "s", at_most(0.8)),
    Row(TWO_NODES, "networkx's suite, two nodes of 1 slot up", _XDIST, "s", at_most(0.8)),
    Row(ALONE, "networkx's suite, nothing up before (-n 2)", _XDIST, "s", None),
)
PACKAGES = ("networkx", "numpy", "scipy", "pytest", "pytest-xdist")
MODES = ("load", "loadfile", "worksteal")
_COUNTS = ("passed", "failed", "errors", "skipped")
#: pytest's words for each of these.
_WORDS = (("passed", "xpassed"), ("failed",), ("error", "errors"), ("skipped", "xfailed"))
_COUNTED = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """One run of the suite: wall seconds of the whole command, and what was counted."""

    seconds: float
    counts: tuple[int, ...]


def measure(bench: Bench) -> Measured:
    """The rows that were asked for; the same counts on both sides or an error."""
    python = bench.environments.python("suites", PACKAGES)
    package = "networkx" if not bench.quick else "networkx.classes"
    directory = bench.directory("networkx")
    with (
        pulseq_standing(bench.directory("networkx-one"), nodes=1, slots=2) as one,
        pulseq_standing(bench.directory("networkx-two"), nodes=2, slots=1) as two,
    ):
        sides: dict[str, Callable[[], SuiteRun]] = {
            ONE_NODE: partial(_ours, directory, python, package, one),
            TWO_NODES: partial(_ours, directory, python, package, two),
            ALONE: partial(_ours, directory, python, package, None),
        }
        sides = {name: side for name, side in sides.items() if bench.wants(name)}
        sides |= {mode: partial(_xdist, directory, python, package, mode) for mode in MODES}
        measured = dict(zip(sides, bench.interleave(*sides.values()), strict=True))
    counts = {run.counts for runs in measured.values() for run in runs}
    if len(counts) != 1:
        raise RuntimeError(f"the counts differ: {[(name, runs[0].counts) for name, runs in measured.items()]}")
    told = ", ".join(f"{count} {word}" for count, word in zip(counts.pop(), _COUNTS, strict=True))
    theirs = {mode: [run.seconds for run in measured[mode]] for mode in MODES}
    return {
        name: Samples({"run": [run.seconds for run in measured[name]]}, theirs, (f"{package}: {told} on all sides",))
        for name in (ONE_NODE, TWO_NODES, ALONE)
        if name in measured
    }


def _ours(directory: Path, python: Path, package: str, standing: Standing | None) -> SuiteRun:
    where = ["-n", "2"] if standing is None else ["--scheduler", standing.scheduler]
    # The path of a virtual environment's interpreter is kept as it is: behind the link is another one.
    what = ["--python", str(python), "--pyargs", package, "--output", "json"]
    # A new state directory each time: what an earlier run knows of durations is not to help.
    environment = {"PULSEQ_HOME": str(directory / f"home-{time.monotonic_ns()}")}
    if standing is not None:
        environment["PREFECT_API_URL"] = standing.api_url
    command = [sys.executable, "-m", "pulseq", "run", *what, *where]
    began = time.perf_counter()
    done = run_command(command, cwd=directory, accept=(0, 1), environment=environment)
    seconds = time.perf_counter() - began
    counts = json.loads(done.stdout.splitlines()[-1])["counts"]
    return SuiteRun(seconds, tuple(int(counts.get(word, 0)) for word in _COUNTS))


def _xdist(directory: Path, python: Path, package: str, mode: str) -> SuiteRun:
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n2", "--dist", mode, "--pyargs", package]
    began = time.perf_counter()
    done = run_command(command, cwd=directory, accept=(0, 1))
    return SuiteRun(time.perf_counter() - began, read_counts(done.stdout))


def read_counts(output: str) -> tuple[int, ...]:
    """pytest's last line as passed, failed, errors, skipped; xfailed counts as skipped, xpassed as passed."""
    found = {word: int(count) for count, word in _COUNTED.findall(output.splitlines()[-1])}
    return tuple(sum(found.get(word, 0) for word in words) for words in _WORDS)
