"""The flow that looks at the nodes of a standing cluster; a schedule repeats it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from pulseq.distributed.health_check import HealthRequest, check_nodes

Seconds = Annotated[float, Field(gt=0, le=86_400)]


@flow(name="node-health", retries=0, log_prints=False)
async def node_health(
    scheduler_address: str = "",
    state_directory: str = "",
    heartbeat_interval: Seconds | None = None,
    node_timeout: Seconds | None = None,
) -> State[Any]:
    """Look at every node of a standing cluster: rows in DuckDB, a table, an event when a node changes.

    Args:
        scheduler_address: Address of a Dask scheduler, such as tcp://10.0.0.5:8786; empty takes the one of `pulseq up`.
        state_directory: Where `pulseq up` was called and results are; empty takes PULSEQ_HOME of the worker.
        heartbeat_interval: Seconds after which a node is expected to be heard of; empty takes those of the nodes file.
        node_timeout: Seconds of silence after which a node is inactive; empty takes those of the nodes file.
    """
    request = HealthRequest(
        Path(state_directory) if state_directory else None,
        scheduler_address or None,
        heartbeat_interval,
        node_timeout,
    )
    state: State[Any] = await check_nodes(request)
    return state


if __name__ == "__main__":
    node_health.serve(interval=10, limit=1)
