"""The flow that looks at the nodes of a standing cluster; a schedule repeats it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import AfterValidator, Field

from pulseq.run.health_check import HealthRequest, check_nodes
from pulseq.suites.schedulers_file import AUTOMATIC, load_schedulers

SCHEDULERS = load_schedulers(Path(__file__).resolve().parent.parent / "deployments" / "schedulers.yaml")
SchedulerName = Annotated[str, AfterValidator(SCHEDULERS.check), Field(json_schema_extra={"enum": [*SCHEDULERS.names]})]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


@flow(name="node-health", retries=0, log_prints=False)
async def node_health(
    scheduler_address: SchedulerName = AUTOMATIC,
    state_directory: str = "",
    heartbeat_interval: Seconds | None = None,
    node_timeout: Seconds | None = None,
) -> State[Any]:
    """Look at every node of a standing cluster: rows in DuckDB, a table, an event when a node changes.

    Args:
        scheduler_address: A scheduler that `deployments/schedulers.yaml` allows; automatic takes that of `pulseq up`.
        state_directory: Where `pulseq up` was called and results are; empty takes PULSEQ_HOME of the worker.
        heartbeat_interval: Seconds after which a node is expected to be heard of; empty takes those of the nodes file.
        node_timeout: Seconds of silence after which a node is inactive; empty takes those of the nodes file.
    """
    request = HealthRequest(
        Path(state_directory) if state_directory else None,
        SCHEDULERS.address_of(scheduler_address),
        heartbeat_interval,
        node_timeout,
    )
    state: State[Any] = await check_nodes(request)
    return state


if __name__ == "__main__":
    node_health.serve(interval=10, limit=1)
