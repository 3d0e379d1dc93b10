"""Runs trivial Prefect tasks the stock way: on `DaskTaskRunner`, or one after the other; prints its times."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from prefect import flow, task
from prefect.context import FlowRunContext
from prefect_dask.task_runners import DaskTaskRunner

from pulseq.orchestration.api_client import wait_until_recorded

_RECORD_PATIENCE_SECONDS = 300.0
#: Before the clock starts, so that each worker has imported Prefect.
_WARM_UPS = 4


@task
def trivial(number: int) -> int:
    return number


def submit_all(count: int) -> dict[str, Any]:
    """Submit tasks to the flow's Dask workers; times from the first submit on."""
    for future in [trivial.submit(-1 - number) for number in range(_WARM_UPS)]:
        future.result()
    began = time.perf_counter()
    for future in [trivial.submit(number) for number in range(count)]:
        future.result()
    return _told(began, time.perf_counter(), count + _WARM_UPS)


def call_all(count: int) -> dict[str, Any]:
    """Call tasks in sequence, with no Dask."""
    for number in range(_WARM_UPS):
        trivial(-1 - number)
    began = time.perf_counter()
    for number in range(count):
        trivial(number)
    return _told(began, time.perf_counter(), count + _WARM_UPS)


def _told(began: float, ended: float, task_runs: int) -> dict[str, Any]:
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    return {"began": began, "ended": ended, "task_runs": task_runs, "flow_run_id": str(context.flow_run.id)}


# Prefect's own types leave out Dask's task runner, and functions that are made flows by a call.
as_flow: Any = flow


def measure(way: str, count: int, workers: int, api_url: str) -> dict[str, float]:
    """Seconds from the first task to the last result, and to the last record."""
    if way == "dask":
        runner = DaskTaskRunner(
            cluster_kwargs={"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
        )
        told = as_flow(submit_all, task_runner=runner)(count)
    else:
        told = as_flow(call_all)(count)
    known = asyncio.run(
        wait_until_recorded(api_url, told["flow_run_id"], told["task_runs"], patience_seconds=_RECORD_PATIENCE_SECONDS)
    )
    recorded = time.perf_counter()
    if known.missing:
        raise RuntimeError(f"the server has not recorded {known.missing} of {told['task_runs']} task runs")
    return {"verdict_seconds": told["ended"] - told["began"], "recorded_seconds": recorded - told["began"]}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
