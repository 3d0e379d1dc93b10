"""Marks of nodes as Prefect is told of them: an event for each, and the state of a flow run that has made some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from pulseq.marks import NodeMark
from pulseq.orchestration.run_events import tell_events
from pulseq.protocol.work import shown_name

MARKED_EVENT = "pulseq.node.marked"


async def tell_marks(marks: Sequence[NodeMark]) -> None:
    """Emit `pulseq.node.marked` for each, from the current flow run; automations of Prefect can wait for it."""
    await tell_events([mark_event(mark, flow_run.id or "none") for mark in marks])


def mark_event(mark: NodeMark, flow_run_id: str) -> dict[str, Any]:
    """The event that a node was marked; whoever tells it again tells the same one."""
    return {
        "id": str(uuid5(NAMESPACE_URL, f"pulseq.node.{mark.node_id}/{mark.state}/{mark.at!r}")),
        "occurred": datetime.fromtimestamp(mark.at, UTC).isoformat(),
        "event": MARKED_EVENT,
        "resource": {
            "prefect.resource.id": f"pulseq.node.{shown_name(mark.node_id)}",
            "prefect.resource.name": shown_name(mark.node_id),
            "pulseq.node.state": mark.state.value,
        },
        "related": [{"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}],
        "payload": {"state": mark.state.value, "why": shown_name(mark.why), "who": shown_name(mark.who)},
    }


def marked(marks: Sequence[NodeMark], trouble: str | None) -> State[Any]:
    """The state of a flow run that has marked nodes."""
    told = ", ".join(f"{mark.node_id} {mark.state}" for mark in marks)
    note = f"; the marks do not outlive the scheduler: {trouble}" if trouble else ""
    return Completed(name="Marked", message=shown_name(f"{told}{note}"))


def not_marked(error: str) -> State[Any]:
    """The state of a flow run that could not."""
    return Failed(name="NotMarked", message=shown_name(error))
