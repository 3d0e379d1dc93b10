"""The least that anybody waits for: a run of one trivial test with server and nodes up."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench, run_command, seconds_of
from tests.benchmarks.row import Measured, Row, Samples, at_most
from tests.benchmarks.standing import Standing, pulseq_standing

NAME = "one-test"
ROWS = (Row(NAME, "`pulseq run` of one trivial test", '`python -c "import prefect"`', "s", at_most(2.5)),)
_SUITE = "suite: one\ntests:\n  - {id: trivial, simulate: {duration: 0}}\n"


def measure(bench: Bench) -> Measured:
    """The row; one run first for nothing, so that the nodes have loaded what a first run loads."""
    directory = bench.directory(NAME)
    (directory / "one.yaml").write_text(_SUITE)
    with pulseq_standing(bench.directory(f"{NAME}-nodes"), nodes=1, slots=1) as standing:
        ours = partial(_run_one, directory, standing)
        ours()
        own, theirs = bench.interleave(
            partial(seconds_of, ours),
            partial(seconds_of, lambda: run_command([sys.executable, "-c", "import prefect"], cwd=directory)),
        )
    note = "addresses of server and scheduler given by PREFECT_API_URL and --scheduler"
    return {NAME: Samples({"run": own}, {"import": theirs}, (note,))}


def _run_one(directory: Path, standing: Standing) -> None:
    command = [sys.executable, "-m", "pulseq", "run", "one.yaml", "--scheduler", standing.scheduler]
    environment = {"PREFECT_API_URL": standing.api_url, "PULSEQ_HOME": str(directory / "home")}
    run_command(command, cwd=directory, environment=environment)
