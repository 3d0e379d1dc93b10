"""Real suites, from wheels that ship their tests: beside pytest-xdist on as many processes."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench, run_command
from tests.benchmarks.row import Measured, Row, Samples, at_most
from tests.benchmarks.standing import pulseq_up

MODES = ("load", "loadfile", "worksteal")
_XDIST = f"best of pytest -n2 --dist {', '.join(MODES)}"
_COUNTS = ("passed", "failed", "errors", "skipped")
#: pytest's words for each of these.
_WORDS = (("passed", "xpassed"), ("failed",), ("error", "errors"), ("skipped", "xfailed"))
_COUNTED = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")


@dataclass(frozen=True, slots=True)
class RealSuite:
    """A suite that others have written.

    Attributes:
        environment: the virtual environment that has `packages`.
        target: the Python package that holds the tests; `quick`: a small part of it.
        bound: of the ratio of ours to the best of xdist's modes.
    """

    name: str
    nature: str
    environment: str
    packages: tuple[str, ...]
    target: str
    quick: str
    bound: float

    @property
    def one_node(self) -> str:
        return f"{self.name}-one-node"

    @property
    def two_nodes(self) -> str:
        return f"{self.name}-two-nodes"

    @property
    def interpreters(self) -> str:
        return f"{self.name}-interpreters"

    @property
    def cold(self) -> str:
        return f"{self.name}-cold"

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is told of it."""
        of = f"{self.name}'s {self.nature}"
        return (
            Row(self.one_node, f"{of}, one node of 2 slots up", _XDIST, "s", at_most(self.bound)),
            Row(self.two_nodes, f"{of}, two nodes of 1 slot up", _XDIST, "s", at_most(self.bound)),
            Row(self.interpreters, f"{of}, two nodes up, --isolation interpreter", _XDIST, "s", at_most(1.0)),
            Row(self.cold, f"{of}, nothing up before (-n 2)", _XDIST, "s", None),
        )


_PYTEST = ("pytest", "pytest-xdist")
_FRAMES = ("pandas", "statsmodels", "hypothesis", *_PYTEST)
NETWORKX = RealSuite(
    "networkx",
    "whole suite",
    "suites",
    ("networkx", "numpy", "scipy", *_PYTEST),
    "networkx",
    "networkx.classes",
    0.8,
)
SUITES = (
    NETWORKX,
    RealSuite(
        "pandas",
        "many tiny tests of offsets and frequencies",
        "frames",
        _FRAMES,
        "pandas.tests.tseries",
        "pandas.tests.tseries.holiday",
        0.9,
    ),
    RealSuite(
        "statsmodels",
        "linear models, fitted in the setup of their classes",
        "frames",
        _FRAMES,
        "statsmodels.genmod",
        "statsmodels.genmod.tests.test_constrained",
        0.9,
    ),
)


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """One run of the suite: wall seconds of the whole command, and what was counted."""

    seconds: float
    counts: tuple[int, ...]


def measure(suite: RealSuite, bench: Bench) -> Measured:
    """The rows that were asked for; the same counts on all sides, pytest's without xdist included, or an error."""
    python = bench.environments.python(suite.environment, suite.packages)
    package = suite.quick if bench.quick else suite.target
    directory = bench.directory(suite.name)
    with pulseq_up(directory / "one", nodes=1, slots=2) as one, pulseq_up(directory / "two", nodes=2, slots=1) as two:
        ours: dict[str, Callable[[], SuiteRun]] = {
            suite.one_node: partial(run_ours, directory, python, package, one),
            suite.two_nodes: partial(run_ours, directory, python, package, two),
            suite.interpreters: partial(run_ours, directory, python, package, two, "--isolation", "interpreter"),
            suite.cold: partial(run_ours, directory, python, package, None),
        }
        sides = {name: side for name, side in ours.items() if bench.wants(name)}
        sides |= {mode: partial(run_pytest, directory, python, package, ("-n2", "--dist", mode)) for mode in MODES}
        # Without xdist it is run once, for its counts.
        alone = run_pytest(directory, python, package, ())
        measured = dict(zip(sides, bench.interleave(*sides.values()), strict=True))
    told = check_counts({"alone": [alone], **measured})
    theirs = {mode: [run.seconds for run in measured[mode]] for mode in MODES}
    return {
        name: Samples({"run": [run.seconds for run in measured[name]]}, theirs, (f"{package}: {told} on all sides",))
        for name in ours
        if name in measured
    }


def check_counts(measured: dict[str, list[SuiteRun]]) -> str:
    """What all runs have counted, in words.

    Raises:
        RuntimeError: they have not counted the same.
    """
    if len({run.counts for runs in measured.values() for run in runs}) != 1:
        raise RuntimeError(
            f"the counts differ: {[(name, [r.counts for r in runs]) for name, runs in measured.items()]}"
        )
    counts = next(iter(measured.values()))[0].counts
    return ", ".join(f"{count} {word}" for count, word in zip(counts, _COUNTS, strict=True))


def run_ours(directory: Path, python: Path, package: str, home: Path | None, *how: str) -> SuiteRun:
    """The suite on what is up for a state directory; None starts two nodes for it."""
    new = directory / f"new-{time.monotonic_ns()}"
    # What an earlier run knows of durations is not to help: a database of its own each time.
    where = ["-n", "2"] if home is None else ["--db", str(new / "results.duckdb")]
    # The path of a virtual environment's interpreter is kept as it is: behind the link is another one.
    what = ["--python", str(python), "--pyargs", package, "--output", "json"]
    command = [sys.executable, "-m", "pulseq", "run", *what, *where, *how]
    began = time.perf_counter()
    done = run_command(command, cwd=directory, accept=(0, 1), environment={"PULSEQ_HOME": str(home or new)})
    seconds = time.perf_counter() - began
    counts = json.loads(done.stdout.splitlines()[-1])["counts"]
    return SuiteRun(seconds, tuple(int(counts.get(word, 0)) for word in _COUNTS))


def run_pytest(directory: Path, python: Path, package: str, how: Sequence[str]) -> SuiteRun:
    """The suite by pytest, with these options."""
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *how, "--pyargs", package]
    began = time.perf_counter()
    done = run_command(command, cwd=directory, accept=(0, 1))
    return SuiteRun(time.perf_counter() - began, read_counts(done.stdout))


def read_counts(output: str) -> tuple[int, ...]:
    """pytest's last line as passed, failed, errors, skipped; xfailed counts as skipped, xpassed as passed."""
    found = {word: int(count) for count, word in _COUNTED.findall(output.splitlines()[-1])}
    return tuple(sum(found.get(word, 0) for word in words) for words in _WORDS)
