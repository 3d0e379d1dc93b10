"""What makes a node of a Dask worker, whoever has started that: its labels, its agent, its temporary directory."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Worker

from pulseq import __version__
from pulseq.background import Background
from pulseq.models import CapabilityValue
from pulseq.node.host_projects import HostProjects
from pulseq.node.machine import describe_host, read_machine
from pulseq.node.node_agent import NodeAgent
from pulseq.processes.clock_steps import ClockSteps, go_on
from pulseq.protocol.coding import PROTOCOL


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What a node is to be.

    Attributes:
        capabilities: what is declared; the rest is read off the machine.
        temp_root: the directory of all that it and its bodies write; made and removed by the node.
        first_worker, shared, machine_slots: as `NodeAgent` has them.
        way: how it has come: `local`, `ssh` or `joined`.
        variables, python: as `NodeAgent` has them.
        host: what people call its host; None is what that calls itself.
        shares_worker: whether the worker is not there for it alone.
        directory: where it keeps what is sent of projects, and how much; None is the usual place, and what runs say.
        incarnation: of this start, where its owner is to know it before; None makes one.
    """

    node_id: str
    slots: int
    temp_root: Path
    capabilities: Mapping[str, CapabilityValue]
    way: str = "local"
    host: str | None = None
    first_worker: int = 0
    shared: Path | None = None
    machine_slots: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    python: str | None = None
    shares_worker: bool = False
    directory: str | None = None
    store_bytes: int | None = None
    incarnation: str | None = None


@contextlib.asynccontextmanager
async def run_node(worker: Worker, plan: NodePlan, projects: HostProjects | None = None) -> AsyncIterator[NodeAgent]:
    """Make a node of a worker that has not registered yet, for as long as the block lasts.

    Raises:
        InfrastructureError: its interpreter or its directory cannot be used.
    """
    plan.temp_root.mkdir(mode=0o700, parents=True, exist_ok=True)
    projects = projects or HostProjects(plan.directory, plan.store_bytes)
    projects.open()
    labels = {**describe_node(plan), "store": projects.store_id}
    worker.startup_information["pulseq"] = lambda _worker: labels
    agent = NodeAgent(
        worker,
        node_id=plan.node_id,
        slots=plan.slots,
        temp_root=plan.temp_root,
        incarnation=labels["incarnation"],
        first_worker=plan.first_worker,
        shared=plan.shared,
        machine_slots=plan.machine_slots,
        variables=plan.variables,
        python=plan.python,
        shares_worker=plan.shares_worker,
        projects=projects,
    )
    background = Background(agent.note_death)
    try:
        await agent.start()
        if plan.python is not None and agent.executor.call_version is not None:
            # What a test requires of Python, it requires of the one that runs it.
            labels["capabilities"] = {
                **labels["capabilities"],
                "python": agent.executor.call_version,
                **plan.capabilities,
            }
        background.start(
            ClockSteps().watch(lambda _: go_on([worker.batched_stream], worker.periodic_callbacks)),
            "watching the clock",
        )
        yield agent
    finally:
        await background.end()
        await agent.close()
        await asyncio.to_thread(projects.leave_all)
        await asyncio.to_thread(shutil.rmtree, plan.temp_root, ignore_errors=True)


def describe_node(plan: NodePlan) -> dict[str, Any]:
    """What a node says of itself at registration."""
    return {
        "id": plan.node_id,
        "slots": plan.slots,
        "capabilities": {**read_machine(), **plan.capabilities},
        "way": plan.way,
        "version": __version__,
        "dask": importlib.metadata.version("distributed"),
        "pid": os.getpid(),
        # Tells one start of a node from the next, which may have the same address.
        "incarnation": plan.incarnation or secrets.token_hex(8),
        "protocol": PROTOCOL,
        **describe_host(plan.host),
    }
