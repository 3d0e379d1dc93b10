"""The least that anybody waits for: a run of one trivial test with server and nodes up."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench, run_command, seconds_of
from tests.benchmarks.row import Measured, Row, Samples, at_most
from tests.benchmarks.standing import pulseq_up

NAME = "one-test"
ROWS = (Row(NAME, "`pulseq run` of one trivial test", '`python -c "import prefect"`', "s", at_most(2.5)),)
_SUITE = "suite: one\ntests:\n  - {id: trivial, simulate: {duration: 0}}\n"


def measure(bench: Bench) -> Measured:
    """The row; one run first for nothing, so that the nodes have loaded what a first run loads."""
    directory = bench.directory(NAME)
    (directory / "one.yaml").write_text(_SUITE)
    with pulseq_up(directory / "home", nodes=1, slots=1) as home:
        ours = partial(_run_one, directory, home)
        ours()
        own, theirs = bench.interleave(
            partial(seconds_of, ours),
            partial(seconds_of, lambda: run_command([sys.executable, "-c", "import prefect"], cwd=directory)),
        )
    return {NAME: Samples({"run": own}, {"import": theirs})}


def _run_one(directory: Path, home: Path) -> None:
    command = [sys.executable, "-m", "pulseq", "run", "one.yaml"]
    run_command(command, cwd=directory, environment={"PULSEQ_HOME": str(home)})
