"""Starts the nodes of a fleet where they belong: on this machine, or over ssh on others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pulseq.cluster.ssh_host import SshHost
from pulseq.fleet import Fleet, NodeSpec, SshSpec
from pulseq.processes.node_forks import NodeForks
from pulseq.security.credentials import Credentials

#: What is reached by one connection, or by none.
Machine = tuple[str, SshSpec] | None


class NodeProcess(Protocol):
    """A node that was started, wherever it runs.

    Attributes:
        pid: of the process of this machine by which it is held.
    """

    @property
    def pid(self) -> int: ...
    async def wait(self) -> int: ...
    async def stop(self) -> None: ...


class NodePlace(Protocol):
    """A machine that nodes are started on."""

    async def start_node(self, node_id: str, configuration: Mapping[str, Any]) -> NodeProcess: ...
    async def clear(self, node_id: str) -> None: ...


def machine_of(spec: NodeSpec) -> Machine:
    """The machine that a node is on."""
    return None if spec.is_local else (spec.host, spec.ssh)


class NodeStarter:
    """Starts nodes, and knows the machines that it has started some on.

    Args:
        logs: a directory for what nodes, and the ways to them, say.
        shared: where nodes of this machine share what they need not do twice, in the scheduler's own directory, which
            goes with that.
        environment: variables of nodes of this machine besides those of this process.

    Attributes:
        forks: what starts nodes of this machine.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        logs: Path,
        shared: Path,
        environment: Mapping[str, str],
        heartbeat_seconds: float,
        node_timeout_seconds: float,
    ) -> None:
        self._fleet = fleet
        self._logs = logs
        self._heartbeat_seconds = min(heartbeat_seconds, node_timeout_seconds / 3)
        self._node_timeout_seconds = node_timeout_seconds
        self.forks = NodeForks(logs, slots=count_slots(fleet), environment=environment, shared=shared)
        self._hosts: dict[tuple[str, SshSpec], SshHost] = {}

    def has_local(self) -> bool:
        """Whether a node of this machine is among them."""
        return any(spec.is_local for spec in self._fleet.nodes)

    def note_fleet(self, fleet: Fleet) -> None:
        """Nodes have come, or gone."""
        self._fleet = fleet
        self.forks.slots = count_slots(fleet)

    async def start_node(self, spec: NodeSpec, scheduler: str, credentials: Credentials | None) -> NodeProcess:
        """A node that has joined this scheduler, with the credentials of its cluster.

        Raises:
            InfrastructureError: it does not start.
        """
        place: NodePlace = self.forks if (host := self.host_of(spec)) is None else host
        return await place.start_node(
            spec.id,
            {
                "scheduler": scheduler,
                "credentials": credentials and credentials.told(),
                "node_id": spec.id,
                "way": "local" if spec.is_local else "ssh",
                "host_name": None if spec.is_local else spec.host,
                "host": "127.0.0.1",
                "port": spec.port,
                "slots": spec.max_concurrent_tests,
                "capabilities": dict(spec.capabilities),
                "env": dict(spec.env),
                "python": spec.python,
                "first_worker": first_workers(self._fleet)[spec.id],
                "heartbeat_seconds": self._heartbeat_seconds,
                "node_timeout_seconds": self._node_timeout_seconds,
                "directory": spec.ssh.directory,
            },
        )

    def host_of(self, spec: NodeSpec) -> SshHost | None:
        """The host that a node is on; None is this machine."""
        if spec.is_local or spec.joins:
            return None
        if (spec.host, spec.ssh) not in self._hosts:
            slots = [node.max_concurrent_tests for node in self._fleet.nodes if machine_of(node) == machine_of(spec)]
            self._hosts[spec.host, spec.ssh] = SshHost(
                spec.host,
                spec.ssh,
                slots=sum(slots) if all(slots) else 0,
                logs=self._logs,
                silence_seconds=self._node_timeout_seconds,
                places=self.forks.shared.parent,
            )
        return self._hosts[spec.host, spec.ssh]

    def hosts(self) -> list[SshHost]:
        """The hosts of all nodes that are not of this machine."""
        return list(dict.fromkeys(host for spec in self._fleet.nodes if (host := self.host_of(spec)) is not None))

    async def clear(self, node_id: str) -> None:
        """Remove what a node of this machine has left that has ended."""
        await self.forks.clear(node_id)

    async def leave_unused(self) -> None:
        """End the connections to hosts that have no node any more."""
        used = {machine_of(spec) for spec in self._fleet.nodes}
        unused = [self._hosts.pop(machine) for machine in list(self._hosts) if machine not in used]
        await asyncio.gather(*(host.stop() for host in unused))

    async def stop(self) -> None:
        """End what nodes are started with, after them."""
        await asyncio.gather(self.forks.stop(), *(host.stop() for host in self._hosts.values()))


def count_slots(fleet: Fleet) -> int:
    """How many tests run at the same time on all nodes of this machine."""
    return sum(spec.max_concurrent_tests for spec in fleet.nodes if spec.is_local)


def first_workers(fleet: Fleet) -> dict[str, int]:
    """The number of each node's first pytest worker.

    Their ids (gw0, gw1, …) name databases and ports in many suites: one a slot of the machine.
    """
    first: dict[str, int] = {}
    slots: dict[Machine, int] = {}
    for spec in fleet.nodes:
        first[spec.id] = slots.get(machine_of(spec), 0)
        slots[machine_of(spec)] = first[spec.id] + spec.max_concurrent_tests
    return first
