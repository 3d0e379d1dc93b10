"""A flow run as a node has it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.results import ResultStore
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED, temporary_settings
from pulseq.orchestration.prefect_run import PrefectRun

from pulseq.orchestration.api_access import read_access
from pulseq.orchestration.flow_run import suite_flow

SETTINGS: dict[Any, Any] = {
    PREFECT_API_URL: "http://127.0.0.1:9/api",
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
}


def _serialized(flow_run_id: UUID) -> dict[str, Any]:
    flow_run = FlowRun(id=flow_run_id, flow_id=uuid4(), name="f")
    context = {"flow_run": flow_run.model_dump(), "result_store": ResultStore().model_dump(exclude_unset=True)}
    return {"flow_run_context": context, "api_access": read_access()}


async def _look_into(serialized: dict[str, Any]) -> tuple[FlowRunContext | None, PrefectClient, FlowRunContext | None]:
    """The flow run's context inside, the client that a task run gets there, and what there is of it outside."""
    run = await PrefectRun.enter(serialized)
    inside, client = run._context.run(lambda: (FlowRunContext.get(), get_client()))
    await run.leave()
    return inside, client, FlowRunContext.get()


def test_tasks_run_in_our_flow_with_the_one_client_that_the_node_has_for_them() -> None:
    flow_run_id = uuid4()
    with temporary_settings(SETTINGS):
        inside, client, outside = asyncio.run(_look_into(_serialized(flow_run_id)))

    assert outside is None
    assert inside is not None
    assert inside.flow_run is not None
    assert (flow_run_id, suite_flow) == (inside.flow_run.id, inside.flow)
    assert inside.client is client
