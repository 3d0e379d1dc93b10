"""`--granularity test`: what the Prefect server has of a run in which every test is a task run of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.system.workplace import Workplace, until

ROOT = Path(__file__).parents[2]
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def _task_runs(api: str, flow_run_id: str) -> list[dict[str, Any]]:
    query = {"flow_runs": {"id": {"any_": [flow_run_id]}}, "limit": 200}
    found: list[dict[str, Any]] = httpx.post(f"{api}/task_runs/filter", json=query).raise_for_status().json()
    return found


def test_each_test_of_the_quickstart_is_one_task_run_and_all_are_final(workplace: Workplace, prefect_api: str) -> None:
    suite = ROOT / "deployments/suites/quickstart.yaml"

    run = workplace.run("run", suite, "--granularity", "test", "--output", "json")

    assert run.code == 0, run.err
    tests = sorted(row["test_id"] for row in workplace.sql("select test_id from results"))
    assert len(tests) == run.json["counts"]["total"]
    flow_run_id = run.json["prefect_url"].rsplit("/", 1)[-1]
    recorded = until(
        lambda: (
            len(found := _task_runs(prefect_api, flow_run_id)) >= len(tests)
            and all(one["state_type"] in _FINAL for one in found)
            and found
        ),
        "every task run has its final state on the server",
    )
    assert sorted(one["name"].partition(" @ ")[0] for one in recorded) == tests
