"""Task runs whose node was lost, at a real Prefect server."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from pulseq.orchestration.flow_run import use_api
from pulseq.orchestration.orphans import OrphanRun, end_orphans


@flow(name="carries-orphans")
def _flow() -> None:
    """Only its run is needed."""


@pytest.fixture
def flow_run_id(prefect_api: str) -> str:
    """A flow run at the server."""

    async def create() -> str:
        async with get_client() as client:
            return str((await client.create_flow_run(_flow)).id)

    with use_api(prefect_api):
        return asyncio.run(create())


def _known(api: str, flow_run_id: str, state_type: str) -> UUID:
    task_run = uuid4()
    key = {"task_key": "test", "dynamic_key": str(task_run)}
    body = {"id": str(task_run), "flow_run_id": flow_run_id, "state": {"type": state_type}, **key}
    httpx.post(f"{api}/task_runs/", json=body).raise_for_status()
    return task_run


def _state(api: str, task_run: UUID) -> tuple[str, str] | None:
    answer = httpx.get(f"{api}/task_runs/{task_run}")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    found: dict[str, Any] = answer.raise_for_status().json()
    return found["state_type"], found["state_name"]


def _end(api: str, flow_run_id: str, *orphans: OrphanRun) -> None:
    asyncio.run(end_orphans(api, flow_run_id, orphans, patience_seconds=0.5))


def test_one_that_was_under_way_ends_as_lost(prefect_api: str, flow_run_id: str) -> None:
    running, pending = (_known(prefect_api, flow_run_id, state) for state in ("RUNNING", "PENDING"))

    _end(prefect_api, flow_run_id, OrphanRun(running, "a", True), OrphanRun(pending, "b", False))

    assert _state(prefect_api, running) == ("CRASHED", "NodeLost")
    assert _state(prefect_api, pending) == ("CRASHED", "NodeLost")


def test_one_that_has_ended_stays_as_it_is(prefect_api: str, flow_run_id: str) -> None:
    ended = _known(prefect_api, flow_run_id, "COMPLETED")

    _end(prefect_api, flow_run_id, OrphanRun(ended, "a", True))

    assert _state(prefect_api, ended) == ("COMPLETED", "Completed")


def test_one_that_was_begun_and_never_heard_of_is_told_of(prefect_api: str, flow_run_id: str) -> None:
    begun, waiting = uuid4(), uuid4()

    _end(prefect_api, flow_run_id, OrphanRun(begun, "a", True), OrphanRun(waiting, "b", False))

    assert _state(prefect_api, begun) == ("CRASHED", "NodeLost")
    assert _state(prefect_api, waiting) is None


def test_an_api_that_is_gone_is_no_trouble_of_this(prefect_api: str, flow_run_id: str) -> None:
    orphan = uuid4()

    _end("http://127.0.0.1:9", flow_run_id, OrphanRun(orphan, "a", True))

    assert _state(prefect_api, orphan) is None
