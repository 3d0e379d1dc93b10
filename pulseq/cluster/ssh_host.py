"""A host on which nodes are started over ssh: one connection carries all that is said to it and to them.

The scheduler's port is forwarded there, and a port of this machine's loopback to each node; nothing listens off
loopback on either side. When the connection ends, so does the program there, and with it its nodes and their bodies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulseq.cluster.host_link import HostedNode, HostLink
from pulseq.fleet import SshSpec


class SshHost:
    """A host, connected when a node is first started there, and again where the connection has ended.

    Args:
        slots: how many tests are to run there at a time; 0 is one a processor.
        logs: a directory for what ssh says, and for the last words of nodes.
        silence_seconds: how long the host may hear nothing until nodes there end.
        places: a directory for sockets, which somebody removes when this process is killed.
    """

    def __init__(
        self, host: str, ssh: SshSpec, *, slots: int, logs: Path, silence_seconds: float, places: Path | None = None
    ) -> None:
        self.host = host
        self.slots = slots
        self._ssh = ssh
        self._logs = logs
        self._silence_seconds = silence_seconds
        self._places = places
        self._link: HostLink | None = None
        self._connecting: asyncio.Task[HostLink] | None = None

    async def connect(self) -> HostLink:
        """The connection, made where there is none; who asks while it is being made gets the same answer.

        Raises:
            InfrastructureError: it cannot be made; the text says why, and what to do.
        """
        if self._link is not None and not self._link.is_lost:
            return self._link
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> HostLink:
        try:
            if self._link is not None:
                await self._link.close()
            link = HostLink(self.host, self._ssh, self._logs, self._silence_seconds, self._places)
            try:
                await link.open(self.slots)
            except BaseException:
                await link.close()
                raise
            self._link = link
            return link
        finally:
            self._connecting = None

    async def start_node(self, node_id: str, configuration: Mapping[str, Any]) -> HostedNode:
        """A node that has joined its scheduler.

        Args:
            configuration: as of a node of this machine.

        Raises:
            InfrastructureError: it does not start.
        """
        link = await self.connect()
        return await link.start_node(node_id, configuration)

    @property
    def is_connected(self) -> bool:
        """Whether the program there is heard."""
        return self._link is not None and not self._link.is_lost

    async def clear(self, node_id: str) -> None:
        """Nothing: the program there removes what a node has left."""

    async def stop(self) -> None:
        """End the connection, and all that was started over it."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        if self._link is not None:
            await self._link.close()
