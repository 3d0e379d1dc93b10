"""A Prefect server that has no time for a run costs it some seconds; one that fails ends it and all that it planned."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.orchestration.flow_run import RETRIES_OF_A_CONFIGURED_API
from tests.system.busy_api import busy
from tests.system.workplace import Workplace, finish

SUITE = "suite: short\ntests:\n  - {id: a, command: ['true']}\n  - {id: b, command: ['true']}\n"
FLOW_RUNS = rb"POST /api/flow_runs/ "


def _closed(workplace: Workplace, run_id: str) -> dict[str, Any]:
    closed = [line["data"] for line in workplace.journal(run_id) if line["kind"] == "test_closed"]
    return {one["test_id"]: (one["status"], one["reason"]) for one in closed}


@pytest.fixture
def place(bare_workplace: Workplace) -> Workplace:
    bare_workplace.write("short.yaml", SUITE)
    return bare_workplace


@pytest.mark.slow
def test_a_run_that_is_refused_for_a_moment_begins_all_the_same(place: Workplace, prefect_api: str) -> None:
    # More often than Prefect's own client asks as it is set for the rest of a run.
    with busy(prefect_api, FLOW_RUNS, refused=RETRIES_OF_A_CONFIGURED_API + 1) as api:
        ended = place.run("run", "short.yaml", "-n", "1", "--run-id", "run", PREFECT_API_URL=api.url)

        assert (ended.code, api.left < 0) == (0, True), ended.err
    assert {"a": ("passed", None), "b": ("passed", None)} == _closed(place, "run")
    assert "to take the flow run: it is busy" in ended.err


def test_a_run_that_cannot_begin_closes_what_it_had_planned(place: Workplace, prefect_api: str) -> None:
    with busy(prefect_api, FLOW_RUNS, refused=1000, status=b"500 Internal Server Error") as api:
        ended = place.run("run", "short.yaml", "-n", "1", "--run-id", "run", PREFECT_API_URL=api.url)

    assert ended.code == 10, ended.err
    assert "cannot start a flow run" in ended.err
    assert {"a": ("error", "cancelled"), "b": ("error", "cancelled")} == _closed(place, "run")
    (run,) = place.sql("SELECT finished_at IS NOT NULL AS over, exit_code FROM runs")
    assert {"over": True, "exit_code": 10} == run
    assert 2 == len(place.sql("SELECT * FROM results WHERE reason = 'cancelled' AND error LIKE '%flow run%'"))


@pytest.mark.slow
def test_six_runs_that_start_at_once_on_one_server_all_begin(place: Workplace) -> None:
    up = place.run("up", "-n", "2")
    assert up.code == 0, up.err
    runs = [place.start("run", "short.yaml", "--run-id", f"r{number}") for number in range(6)]
    ended = [finish(run) for run in runs]

    assert [0] * 6 == [run.code for run in ended], [run.err for run in ended if run.code]
    assert place.run("down").code == 0
