"""`pulseq node list`: what each node is, what it has and does, and why it gets no tests where it does not."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from pulseq.marks import NodeMark
from pulseq.models import Liveness
from pulseq.ownership import default_home
from pulseq.reports.wording import say_capabilities, say_count
from pulseq.safe_text import safe_line

if TYPE_CHECKING:
    from pulseq.standing.fleet import FleetNode
    from pulseq.standing.standing_nodes import NodeView

_HEALTH = (
    *("heartbeat_age", "latency", "load", "memory_available", "memory_total", "disk_free", "disk_total"),
    *("store_free", "store_total", "clock_offset", "clock_uncertainty", "leaked_processes", "stray_processes"),
    *("incarnation", "python", "protocol"),
)


def list_nodes(
    *,
    output_format: Annotated[Literal["text", "json"], Parameter(name="--format")] = "text",
    scheduler: str | None = None,
    credentials: Path | None = None,
) -> int:
    """Tell of each node what it is, what it has, how it does, and why it gets no tests where it gets none.

    Args:
        output_format: `json` for one JSON object on standard output.
        scheduler: Address of the Dask scheduler; by default what `pulseq up` keeps.
        credentials: The file of credentials that it asks for; by default the one that PULSEQ_CREDENTIALS names.
    """
    address, nodes = asyncio.run(_look(scheduler, credentials))
    if output_format == "json":
        print(json.dumps({"scheduler": address, "nodes": [describe_node(node) for node in nodes]}))
    else:
        for line in render_nodes(nodes):
            print(line)
        if not nodes:
            print(f"the scheduler at {address!r} has no PulseQ node", file=sys.stderr)
    return 0


async def _look(scheduler: str | None, credentials: Path | None) -> tuple[str, list[FleetNode]]:
    from pulseq.standing.fleet import open_fleet  # brings Dask, which `--help` need not wait for

    async with open_fleet(default_home(), scheduler, credentials) as fleet:
        return fleet.address, await fleet.look()


def describe_node(node: FleetNode) -> dict[str, Any]:
    """A node as `--format json` has it."""
    view, mark = node.view, node.mark
    return {
        "id": node.id,
        "way": node.way,
        "host": node.host,
        "address": node.health.address,
        "version": node.version,
        "slots": view.slots if view else None,
        "capabilities": dict(view.capabilities) if view else None,
        "running": view.running if view else 0,
        "waiting": view.waiting if view else 0,
        "runs": dict(node.runs),
        "liveness": node.health.liveness.value,
        **{name: getattr(node.health, name) for name in _HEALTH},
        "state": mark.state.value if mark else "open",
        "drained": node.drained,
        "mark": describe_mark(mark) if mark else None,
        "why_no_work": node.why_no_work,
    }


def describe_mark(mark: NodeMark) -> dict[str, Any]:
    """What was said of a node, for programs."""
    return {"state": mark.state.value, "why": mark.why, "who": mark.who, "at": say_moment(mark.at)}


def say_moment(seconds: float) -> str:
    """Unix seconds, for programs."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def render_nodes(nodes: Sequence[FleetNode]) -> Iterator[str]:
    """What people read: a line for each, and one more for what keeps it from work."""
    width = max((len(node.id) for node in nodes), default=0)
    for node in nodes:
        words = [node.health.liveness.value, " ".join(filter(None, (node.way, node.host)))]
        words += [*_say_work(node), *_say_health(node)]
        yield f"{safe_line(node.id):{width}}  {safe_line('; '.join(words), 2000)}"
        if node.why_no_work is not None:
            yield f"{'':{width}}  gets no tests: {safe_line(node.why_no_work, 2000)}"


def _say_work(node: FleetNode) -> Iterator[str]:
    if (view := node.view) is None:
        return
    yield say_work(view, node.runs)
    yield say_capabilities(view.capabilities)
    if node.version:
        yield f"PulseQ {node.version}"


def say_work(view: NodeView, runs: Iterable[str]) -> str:
    """How many slots a node has, and what for which runs it does, for people."""
    in_line = f", {view.waiting} waiting" if view.waiting else ""
    for_whom = ", ".join(map(safe_line, runs))
    work = f"{view.running} running{in_line} for {for_whom}" if for_whom else "idle"
    return f"{say_count(view.slots, 'slot')}, {work}"


def _say_health(node: FleetNode) -> Iterator[str]:
    health = node.health
    if health.heartbeat_age is not None and health.liveness is not Liveness.INACTIVE:
        yield f"heard of {health.heartbeat_age:.0f} s ago"
    if health.load is not None:
        yield f"load {health.load:.2f}"
    if health.memory_available is not None:
        yield f"{health.memory_available / 1e9:.1f} GB of memory free"
    if health.disk_free is not None:
        yield f"{health.disk_free / 1e9:.1f} GB of disk free"
