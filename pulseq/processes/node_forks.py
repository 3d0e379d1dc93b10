"""Nodes as processes of this machine, each with a place for what it and its bodies write."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulseq.processes.fork_server import ForkServer
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.native_threads import native_thread_limits

NODE_MODULE = "pulseq.node.node_process"
#: How long a process may take to start without a sign of life; and a tenth of how long it may take with them.
START_PATIENCE_SECONDS = 60.0
#: So many nodes start side by side: more would only wait for each other, and for processors.
NODES_AT_ONCE = 32


def make_temp_root() -> Path:
    """The place of a directory for what one process and its bodies write; the process itself makes and removes it.

    Short, in the system's own place: sockets that bodies make under their TMPDIR have 108 bytes for a name.
    """
    return Path(tempfile.gettempdir(), f"pulseq-{secrets.token_hex(6)}")


class NodeForks:
    """Starts nodes on this machine, as forks of one process that has loaded what they need.

    Args:
        logs: a directory for the log of each.
        slots: how many tests run here at a time, on all nodes.
        environment: variables of nodes besides those of this process.
        shared: where nodes share what they need not do twice on one machine.
        make_place: gives each start of a node a directory that is not there yet.
        owners_lock: see `ForkServer`.
    """

    def __init__(
        self,
        logs: Path,
        *,
        slots: int,
        environment: Mapping[str, str],
        shared: Path,
        make_place: Callable[[], Path] = make_temp_root,
        owners_lock: Path | None = None,
    ) -> None:
        self.slots = slots
        self.shared = shared
        self._logs = logs
        self._make_place = make_place
        self.fork_server = ForkServer(
            NODE_MODULE,
            log_path=logs / "nodes.log",
            environment={**environment, **native_thread_limits(slots, os.environ)},
            patience_seconds=START_PATIENCE_SECONDS,
            owners_lock=owners_lock,
        )
        self._places: dict[str, Path] = {}
        self._at_once = asyncio.Semaphore(NODES_AT_ONCE)

    async def start_node(self, node_id: str, configuration: Mapping[str, Any]) -> LocalProcess:
        """A node that has joined its scheduler; what an earlier one of its name has left is removed.

        Args:
            configuration: what the node is told, but for what depends on this machine.

        Raises:
            InfrastructureError: it does not start.
        """
        await self.clear(node_id)
        place = self._places[node_id] = self._make_place()
        here = {"temp_root": str(place), "shared": str(self.shared), "machine_slots": self.slots}
        async with self._at_once:
            process = await self.fork_server.fork(f"node {node_id!r}", log_path=self._logs / f"{node_id}.log")
            try:
                process.configure({**configuration, **here})
                await process.ready(START_PATIENCE_SECONDS)
            except BaseException:
                await process.stop()
                raise
        return process

    async def clear(self, node_id: str) -> None:
        """Remove what a node has left that has ended."""
        if place := self._places.pop(node_id, None):
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def stop(self) -> None:
        """End what nodes are forked from, after them, and remove what they have left."""
        await self.fork_server.stop()  # last: it buries what it has forked
        for node_id in list(self._places):
            await self.clear(node_id)
