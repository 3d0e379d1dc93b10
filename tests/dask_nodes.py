"""A scheduler of Dask's and nodes of it in this process: real ones, that are there within a few milliseconds."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import dask
from distributed import Scheduler, Worker

from pulseq.cluster.scheduler_process import SCHEDULER_SETTINGS
from pulseq.node.node_process import WORKER_SETTINGS
from pulseq.node.probe import Probe
from pulseq.protocol.coding import PROTOCOL
from pulseq.security.credentials import Credentials
from pulseq.security.tls import security_of


@contextlib.asynccontextmanager
async def open_scheduler(credentials: Credentials | None = None, port: int = 0) -> AsyncIterator[Scheduler]:
    """A scheduler that listens on loopback, set up as that of a run is; without credentials as somebody's own."""
    with dask.config.set({**SCHEDULER_SETTINGS, **WORKER_SETTINGS}):
        async with Scheduler(
            host="127.0.0.1",
            port=port,
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            security=security_of(credentials),
        ) as scheduler:
            yield scheduler


@contextlib.asynccontextmanager
async def open_node(scheduler: Scheduler, node_id: str = "n", slots: int = 1, **more: str) -> AsyncIterator[Worker]:
    """A member with a node's labels, and `more`, that answers as nodes do when it is asked how it does."""
    labels = {"id": node_id, "slots": slots, "capabilities": {"os": "linux"}, "protocol": PROTOCOL, **more}
    async with open_worker(scheduler, node_id, labels) as worker:
        probe = Probe(node_id, Path.cwd(), lambda: {"running": 0})
        probe.hang_on(worker)
        yield worker
        await probe.background.end()


@contextlib.asynccontextmanager
async def open_worker(
    scheduler: Scheduler, name: str, labels: Mapping[str, Any] | None = None
) -> AsyncIterator[Worker]:
    """A member that answers to nothing of ours; one without labels is no node."""
    with tempfile.TemporaryDirectory() as directory:
        async with Worker(
            scheduler.address,
            name=name,
            nthreads=1,
            host="127.0.0.1",
            memory_limit=0,
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            security=scheduler.security,
            local_directory=directory,
            startup_information={"pulseq": lambda _worker: labels} if labels else {},
        ) as worker:
            yield worker
