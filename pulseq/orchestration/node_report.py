"""Nodes as Prefect shows and tells of them: how they do, and what people have said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from pulseq.cluster.health_watch import HealthChange
from pulseq.events import NodeHealth
from pulseq.marks import NodeMark
from pulseq.models import Liveness
from pulseq.orchestration.run_events import make_event, tell_events
from pulseq.protocol.clock_offset import ClockOffset, say_offset
from pulseq.protocol.work import shown_name
from pulseq.reports.wording import say_count

ARTIFACT_KEY = "node-health"
CHANGED_EVENT = "pulseq.node.changed"
MARKED_EVENT = "pulseq.node.marked"


async def publish_health(rows: Sequence[NodeHealth], marks: Mapping[str, NodeMark], *, description: str) -> None:
    """Show the rows of a look, and what is said of nodes, as the table `node-health` of the current flow run."""
    table = [{**table_row(row), "marked": _say_mark(marks.get(row.node_id))} for row in rows]
    await acreate_table_artifact(table, key=ARTIFACT_KEY, description=description)


def table_row(health: NodeHealth) -> dict[str, str]:
    """One line of the table, in units for people."""
    return {
        "node": shown_name(health.node_id),
        "host": shown_name(health.host or ""),
        "state": health.liveness.value,
        "answered in": _say_latency(health),
        "last heartbeat": "" if health.heartbeat_age is None else f"{health.heartbeat_age:.1f} s ago",
        "link broke": "" if not health.link_breaks else say_count(health.link_breaks, "time"),
        "clock": _say_clock(health),
        "running": "" if health.running is None else f"{health.running} of {health.slots}",
        "load": "" if health.load is None else f"{health.load:.2f}",
        "memory free": _share(health.memory_available, health.memory_total),
        "disk free": _share(health.disk_free, health.disk_total),
        "store's disk free": _share(health.store_free, health.store_total),
        "left behind": _say_left(health),
        "versions": _say_versions(health),
        "why": shown_name(health.why or ""),
    }


def _say_mark(mark: NodeMark | None) -> str:
    return "" if mark is None or mark.is_open else shown_name(mark.say())


def _share(part: int | None, whole: int | None) -> str:
    return "" if part is None or not whole else f"{part / 1e9:.1f} GB ({part / whole:.0%})"


def _say_latency(health: NodeHealth) -> str:
    if health.latency is None:
        return ""
    median = "" if health.latency_p50 is None else f" (median {health.latency_p50 * 1000:.0f} ms)"
    return f"{health.latency * 1000:.0f} ms{median}"


def _clock_of(health: NodeHealth) -> ClockOffset | None:
    if health.clock_offset is None or health.clock_uncertainty is None:
        return None
    return ClockOffset(health.clock_offset, health.clock_uncertainty)


def _say_clock(health: NodeHealth) -> str:
    clock = _clock_of(health)
    if clock is None:
        return ""
    if not clock.shift:
        return "the same"
    return say_offset(clock) + (": set it" if clock.is_far else "")


def _say_left(health: NodeHealth) -> str:
    """Processes that bodies left behind."""
    killed, stray = health.leaked_processes, health.stray_processes
    return ", ".join([f"{killed} killed"] * bool(killed) + [f"{stray} alive: kill them"] * bool(stray))


def _say_versions(health: NodeHealth) -> str:
    told = {"PulseQ": health.version, "Python": health.python, "protocol": health.protocol}
    return shown_name(", ".join(f"{name} {value}" for name, value in told.items() if value is not None))


async def tell_changes(changes: Sequence[HealthChange]) -> None:
    """Emit `pulseq.node.changed` for each, from the current flow run; automations of Prefect can wait for it."""
    await tell_events([change_event(change, flow_run.id or "none") for change in changes])


def change_event(change: HealthChange, flow_run_id: str) -> dict[str, Any]:
    """The event that a node has changed, and why; the labels of its resource can be matched by a trigger."""
    health = change.health
    told = {"pulseq.node.status": health.liveness.value, "pulseq.scheduler": health.scheduler or "unknown"}
    payload = {
        "before": change.before.value,
        "after": health.liveness.value,
        "why": shown_name(health.why or "it answers"),
    }
    return make_event(CHANGED_EVENT, _resource_of(health.node_id, told), flow_run_id, payload)


async def tell_marks(marks: Sequence[NodeMark]) -> None:
    """Emit `pulseq.node.marked` for each, from the current flow run; automations of Prefect can wait for it."""
    await tell_events([mark_event(mark, flow_run.id or "none") for mark in marks])


def mark_event(mark: NodeMark, flow_run_id: str) -> dict[str, Any]:
    """The event that a node was marked; whoever tells it again tells the same one."""
    return make_event(
        MARKED_EVENT,
        _resource_of(mark.node_id, {"pulseq.node.state": mark.state.value}),
        flow_run_id,
        {"state": mark.state.value, "why": shown_name(mark.why), "who": shown_name(mark.who)},
        id=uuid5(NAMESPACE_URL, f"pulseq.node.{mark.node_id}/{mark.state}/{mark.at!r}"),
        at=datetime.fromtimestamp(mark.at, UTC),
    )


def _resource_of(node_id: str, labels: Mapping[str, str]) -> dict[str, str]:
    name = shown_name(node_id)
    return {"prefect.resource.id": f"pulseq.node.{name}", "prefect.resource.name": name, **labels}


def state_of_look(rows: Sequence[NodeHealth]) -> State[Any]:
    """The state of a flow run that has looked: `Healthy`, or `Degraded` with the nodes that get no tests.

    Clocks that people should set are named in either.
    """
    bad = [row for row in rows if row.liveness is not Liveness.ACTIVE]
    if not rows:
        return Completed(name="NoNodes", message="the scheduler has no node")
    lacking = [row for row in rows if row.liveness is Liveness.ACTIVE and row.why is not None]
    more = [f"; {row.node_id} gets no tests: {row.why}" for row in lacking]
    more += [f"; the clock of {row.node_id} is {_say_clock(row)}" for row in rows if _is_far_off(row)]
    told = ", ".join(f"{row.node_id} {row.liveness} ({row.why})" for row in bad)
    how = f"{len(bad)} of {len(rows)} nodes not active: {told}" if bad else f"{say_count(len(rows), 'node')} active"
    name = "Degraded" if bad or lacking else "Healthy"
    return Completed(name=name, message=shown_name(f"{how}{''.join(more)}"))


def _is_far_off(health: NodeHealth) -> bool:
    clock = _clock_of(health)
    return clock is not None and clock.is_far


def nothing_stands(message: str) -> State[Any]:
    """The state of a flow run that found nothing to look at."""
    return Completed(name="NothingRuns", message=message)


def no_scheduler(message: str) -> State[Any]:
    """The state of a flow run whose scheduler is not there."""
    return Failed(name="NoScheduler", message=message)


def marked(marks: Sequence[NodeMark], trouble: str | None) -> State[Any]:
    """The state of a flow run that has marked nodes."""
    told = ", ".join(f"{mark.node_id} {mark.state}" for mark in marks)
    note = f"; the marks do not outlive the scheduler: {trouble}" if trouble else ""
    return Completed(name="Marked", message=shown_name(f"{told}{note}"))


def not_marked(error: str) -> State[Any]:
    """The state of a flow run that could not."""
    return Failed(name="NotMarked", message=shown_name(error))
