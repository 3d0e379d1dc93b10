"""How a node that is told to end leaves its fleet: it takes nothing new, and goes when all that it has is at home."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from pulseq.node.node_agent import NodeAgent
from pulseq.protocol.entry_points import MARKED, MARKS_KEY, NODE_TOPIC

#: So long a node has had nothing until it goes: a mark holds for all runs within this time.
IDLE_SECONDS = 2.0
#: So long a node has what attempts left when nobody asks for it: its driver may be gone.
ARTIFACT_SECONDS = 60.0
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 5.0


def own_name(node_id: str) -> str:
    """By which a node makes marks of its own; only those it takes back."""
    return f"node {node_id}"


async def mark_leaving(scheduler: Any, node_id: str) -> None:
    """Have all runs know that the node takes no more tests; where somebody else says so, their word stays.

    Args:
        scheduler: an `rpc` to it.

    Raises:
        OSError: it does not answer.
    """
    mark = await _read_mark(scheduler, node_id)
    if mark.get("state", "open") == "open" or mark.get("who") == own_name(node_id):
        await _mark(scheduler, node_id, "draining", "it was told to end")


async def take_back_mark(scheduler: Any, node_id: str) -> None:
    """Have all runs know that the node takes tests again, where its own word was that it does not; not a person's.

    Raises:
        OSError: the scheduler does not answer.
    """
    if (await _read_mark(scheduler, node_id)).get("who") == own_name(node_id):
        await _mark(scheduler, node_id, "open", "it is back")


async def _read_mark(scheduler: Any, node_id: str) -> Mapping[str, Any]:
    marks: Mapping[str, Mapping[str, Any]] = await scheduler.get_metadata(keys=[MARKS_KEY], default={})
    return marks.get(node_id, {})


async def _mark(scheduler: Any, node_id: str, state: str, why: str) -> None:
    mark = {"node_id": node_id, "state": state, "why": why, "who": own_name(node_id), "at": time.time()}
    await scheduler.set_metadata(keys=[MARKS_KEY, node_id], value=mark)
    await scheduler.log_event(topic=NODE_TOPIC, msg={"event": MARKED, "address": "", "mark": mark})


async def leave(worker: Any, agent: NodeAgent) -> None:
    """Leave the fleet when all that the node has is done and told, and what attempts left was fetched."""
    with contextlib.suppress(OSError):  # then its scheduler is gone, and this node soon
        async with asyncio.timeout(_ANSWER_SECONDS):
            await mark_leaving(worker.scheduler, agent.node_id)
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < IDLE_SECONDS:
        await asyncio.sleep(_POLL_SECONDS)
        if agent.dispatches or agent.awaits_artifacts(ARTIFACT_SECONDS):
            idle_since = time.monotonic()
    await agent.leave_runs()
    await worker.close(reason="pulseq-node-leaves")
