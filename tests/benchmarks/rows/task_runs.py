"""networkx's `classes` tests with `--granularity test`: the Prefect server has one final task run for each."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from pulseq.orchestration.api_client import access_headers, wait_until_recorded
from pulseq.orchestration.flow_run import use_api
from tests.benchmarks.bench import Bench, run_command
from tests.benchmarks.row import Measured, Row, Samples, at_least
from tests.benchmarks.rows.real_suites import NETWORKX
from tests.benchmarks.standing import pulseq_up, standing_of

NAME = "networkx-task-runs"
ROWS = (
    Row(
        NAME,
        "final task runs that the Prefect server has of networkx's `classes` tests, --granularity test",
        "tests with a verdict",
        "",
        at_least(1),
        more_is_better=True,
    ),
)
_PAGE = 200
_PATIENCE_SECONDS = 300.0


def measure(bench: Bench) -> Measured:
    """The row, run once: what is counted does not vary."""
    python = bench.environments.python(NETWORKX.environment, NETWORKX.packages)
    directory = bench.directory(NAME)
    target = f"{NETWORKX.quick}.tests.test_filters" if bench.quick else NETWORKX.quick
    with pulseq_up(directory / "home", nodes=1, slots=2) as home:
        told = _run(directory, home, python, target)
        tests = int(told["counts"]["total"])
        standing = standing_of(home)
        with use_api(standing.api_url, auth=standing.auth):
            states = asyncio.run(_states(standing.api_url, told["prefect_url"].rsplit("/", 1)[-1], tests))
    if states.total() > tests:
        raise RuntimeError(f"found {states.total()} task runs of {tests} tests, expected one each: {dict(states)}")
    final = sum(count for state, count in states.items() if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"))
    return {NAME: Samples({"server": [float(final)]}, {"run": [float(tests)]}, (f"{target}: {dict(states)}",))}


def _run(directory: Path, home: Path, python: Path, target: str) -> dict[str, Any]:
    what = ["--python", str(python), "--pyargs", target, "--granularity", "test", "--output", "json"]
    command = [sys.executable, "-m", "pulseq", "run", *what]
    done = run_command(command, cwd=directory, environment={"PULSEQ_HOME": str(home)})
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


async def _states(api_url: str, flow_run_id: str, tests: int) -> Counter[str]:
    """How many task runs of a flow run are in which state, as the server tells when it has recorded all."""
    await wait_until_recorded(api_url, flow_run_id, tests, patience_seconds=_PATIENCE_SECONDS)
    states: Counter[str] = Counter()
    async with httpx.AsyncClient(headers=access_headers()) as client:
        while True:
            query = {
                "flow_runs": {"id": {"any_": [flow_run_id]}},
                "sort": "ID_DESC",
                "limit": _PAGE,
                "offset": states.total(),
            }
            answer = await client.post(f"{api_url}/task_runs/filter", json=query, timeout=60.0)
            page = answer.raise_for_status().json()
            states.update(one["state_type"] for one in page)
            if len(page) < _PAGE:
                return states
