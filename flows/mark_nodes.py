"""The flow that drains, cordons and opens nodes: a form on Prefect's pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import AfterValidator, Field

from pulseq.marks import MOST_WHY_CHARACTERS, MarkState
from pulseq.orchestration.run_names import given_name
from pulseq.run.node_marking import MarkRequest
from pulseq.run.node_marking import mark_nodes as mark
from pulseq.suites.schedulers_file import AUTOMATIC, load_schedulers

SCHEDULERS = load_schedulers(Path(__file__).resolve().parent.parent / "deployments" / "schedulers.yaml")
SchedulerName = Annotated[str, AfterValidator(SCHEDULERS.check), Field(json_schema_extra={"enum": [*SCHEDULERS.names]})]
Reason = Annotated[str, Field(max_length=MOST_WHY_CHARACTERS)]
STATES = {"drain": MarkState.DRAINING, "cordon": MarkState.CORDONED, "undrain": MarkState.OPEN}


def name_run() -> str:
    """The name that somebody has given the run, else what it does: `drain lab1, lab2`."""
    parameters = flow_run.parameters
    return given_name() or f"{parameters.get('what', 'drain')} {', '.join(parameters.get('nodes', ()))}"


@flow(name="mark-nodes", flow_run_name=name_run, retries=0, log_prints=False, persist_result=False)
async def mark_nodes(
    nodes: Annotated[list[str], Field(min_length=1)],
    what: Literal["drain", "undrain", "cordon"] = "drain",
    why: Reason = "",
    scheduler_address: SchedulerName = AUTOMATIC,
    state_directory: str = "",
) -> State[Any]:
    """Give nodes no more tests, or let them have tests again; all runs heed it, also those that begin later.

    Args:
        nodes: Ids of nodes; `pulseq node list` tells them.
        what: Drain lets what has begun finish and sends the rest elsewhere, cordon sends nothing new, undrain opens.
        why: The reason, for all who wonder; runs that go on tell it.
        scheduler_address: A scheduler that `deployments/schedulers.yaml` allows; automatic takes that of `pulseq up`.
        state_directory: Where `pulseq up` was called and results are; empty takes PULSEQ_HOME of the worker.
    """
    request = MarkRequest(
        nodes,
        STATES[what],
        why.strip(),
        f"flow run {flow_run.name}",
        Path(state_directory) if state_directory else None,
        SCHEDULERS.address_of(scheduler_address),
    )
    state: State[Any] = await mark(request)
    return state
