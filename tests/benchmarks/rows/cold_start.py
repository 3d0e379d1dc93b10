"""A run with nothing up before, beside the slowest of its parts alone: a Prefect server, stock or ours."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench, run_child, run_command, seconds_of
from tests.benchmarks.row import Measured, Row, Samples, at_most
from tests.benchmarks.standing import stock_server

STOCK, OWN = "cold-start", "cold-start-own"
#: What a start may take beside its slowest part, in seconds.
ALLOWANCE_SECONDS = 1.0
_WORK = "`pulseq run -n 2` of one trivial test, nothing up"
ROWS = (
    Row(STOCK, _WORK, "`prefect server start` until it answers, and a second", "s", at_most(1.0)),
    Row(OWN, _WORK, "our server alone until it answers, and a second", "s", at_most(1.0)),
)
_SUITE = "suite: one\ntests:\n  - {id: trivial, simulate: {duration: 0}}\n"


def measure(bench: Bench) -> Measured:
    """Both rows from the same runs, in directories whose databases have been made before."""
    directory = bench.directory(STOCK)
    (directory / "one.yaml").write_text(_SUITE)
    run = partial(_run_cold, directory)
    sides = {STOCK: partial(_start_stock, directory), OWN: partial(_start_own, directory)}
    needed = [name for name in sides if bench.wants(name)]
    for side in (run, *(sides[name] for name in needed)):
        side()
    ours, *theirs = bench.interleave(run, *(sides[name] for name in needed))
    notes = ("theirs has the second in it",)
    return {
        name: Samples({"run": ours}, {"server": [seconds + ALLOWANCE_SECONDS for seconds in alone]}, notes)
        for name, alone in zip(needed, theirs, strict=True)
    }


def _run_cold(directory: Path) -> float:
    command = [sys.executable, "-m", "pulseq", "run", "one.yaml", "-n", "2"]
    return seconds_of(lambda: run_command(command, cwd=directory, environment={"PULSEQ_HOME": str(directory / "home")}))


def _start_stock(directory: Path) -> float:
    server = stock_server(directory)
    seconds = seconds_of(server.__enter__)
    server.__exit__(None, None, None)
    return seconds


def _start_own(directory: Path) -> float:
    seconds: float = run_child("own_server", {"directory": str(directory / "own")})["seconds"]
    return seconds
