"""Events that runs tell Prefect, for automations and for its event feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pulseq.orchestration.prefect_client import open_client
from pulseq.protocol.work import shown_name

RUN_STARTED = "pulseq.run.started"
RUN_FINISHED = "pulseq.run.finished"
TEST_NEWLY_FAILING = "pulseq.test.newly-failing"


def run_event(name: str, *, run_id: str, suite: str, flow_run_id: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """An event about a run; its resource can be matched by `pulseq.suite`."""
    resource = {
        "prefect.resource.id": f"pulseq.run.{run_id}",
        "prefect.resource.name": shown_name(f"{suite} {run_id}"),
        "pulseq.suite": shown_name(suite),
    }
    return make_event(name, resource, flow_run_id, payload)


def newly_failing_event(
    *, run_id: str, suite: str, flow_run_id: str, test: tuple[str, str], said: str
) -> dict[str, Any]:
    """A test that fails and passed in the run before."""
    test_id, variant = test
    resource = {
        "prefect.resource.id": shown_name(f"pulseq.test.{suite}.{test_id}{f'.{variant}' if variant else ''}"),
        "prefect.resource.name": shown_name(test_id),
        "pulseq.suite": shown_name(suite),
        "pulseq.run": run_id,
    }
    return make_event(
        TEST_NEWLY_FAILING, resource, flow_run_id, {"said": shown_name(said), "variant": shown_name(variant)}
    )


def make_event(
    name: str,
    resource: Mapping[str, str],
    flow_run_id: str,
    payload: Mapping[str, Any],
    *,
    id: UUID | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """An event of a flow run, as the API takes it.

    Args:
        id: what one that is told again has in common with the first; None for one that is not.
        at: when it happened; now by default.
    """
    return {
        "id": str(id or uuid4()),
        "occurred": (at or datetime.now(UTC)).isoformat(),
        "event": name,
        "resource": dict(resource),
        "related": [flow_run_resource(flow_run_id)],
        "payload": dict(payload),
    }


def flow_run_resource(flow_run_id: str) -> Mapping[str, str]:
    """What makes an event one of a flow run."""
    return {"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}


async def tell_events(events: Sequence[Mapping[str, Any]]) -> None:
    """Send events to the API, all of them in one request that is answered.

    Prefect's own way, a queue towards a websocket, would be lost with a process that ends at once.
    """
    if not events:
        return
    async with open_client() as client:
        answer = await client._client.post("/events", json=[dict(event) for event in events])
        answer.raise_for_status()
