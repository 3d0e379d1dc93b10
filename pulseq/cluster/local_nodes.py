"""The processes of a run on this machine: a Dask scheduler and nodes, started early, restarted, ended.

Nothing heavy is imported here, so that a run can start them before it imports Prefect and Dask
itself: on a machine of two cores that is a third of the way to the first test.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import logging
import os
import resource
import secrets
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pulseq.background import Background
from pulseq.errors import InfrastructureError, UsageError
from pulseq.fleet import LOCAL_HOSTS, Fleet, NodeSpec
from pulseq.processes.fork_server import ForkServer
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.native_threads import native_thread_limits, no_native_threads
from pulseq.processes.patience import SAY_SECONDS
from pulseq.security.credentials import Credentials

logger = logging.getLogger("pulseq.nodes")

_NODE_MODULE = "pulseq.node.node_process"
_SCHEDULER_MODULE = "pulseq.cluster.scheduler_process"
#: How long a process may take to start without a sign of life; and a tenth of how long it may take with them.
START_PATIENCE_SECONDS = 60.0
#: So many nodes start side by side: more would only wait for each other, and for processors.
NODES_AT_ONCE = 32
#: What the owner of a node has open for it, and besides: for those that start, for the flow run and the results.
FILES_PER_NODE = 2
_FILES_BESIDES = 400
#: A local node that dies is started again this often; one that still dies has a reason that stays.
MAX_RESTARTS = 5
#: One that has lived so long has got over what ended it before.
STEADY_SECONDS = 60.0


class LocalNodes:
    """A scheduler and nodes of this machine, which live as long as their owner.

    Args:
        environment: variables of nodes besides those of this process.

    Attributes:
        on_node_ended: called with a node's id and why, when its process has ended unasked.
        on_node_given_up: called with a node's id and the number of tries, when it is not started again.
        on_scheduler_ended: called when the scheduler's process has ended unasked.
        on_note: told what is waited for, and what was done where somebody had stopped a process.
        background: what watches its processes.
        credentials: of its cluster, once there is a scheduler; nobody else has them.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        run_directory: Path,
        heartbeat_seconds: float,
        node_timeout_seconds: float,
        environment: Mapping[str, str],
    ) -> None:
        self.fleet = fleet
        self._run_directory = run_directory
        self._heartbeat_seconds = min(heartbeat_seconds, node_timeout_seconds / 3)
        self._node_timeout_seconds = node_timeout_seconds
        self._nodes: dict[str, LocalProcess] = {}
        self._ready: set[str] = set()
        self._scheduler: LocalProcess | None = None
        self._fork_server = node_fork_server(run_directory / "logs", fleet, environment)
        self._temp_roots: dict[str, Path] = {}
        self._scheduler_temp_root = make_temp_root()
        self._restarts: Counter[str] = Counter()
        self.credentials: Credentials | None = None
        self.background = Background()
        self._closing = False
        self._first_workers = first_workers(fleet)
        self.on_node_ended: Callable[[str, str], None] = lambda node_id, why: None
        self.on_node_given_up: Callable[[str, int], None] = lambda node_id, deaths: None
        self.on_scheduler_ended: Callable[[], None] = lambda: None
        self.on_note: Callable[[str], None] = logger.info
        self._places = asyncio.Semaphore(NODES_AT_ONCE)

    async def start(self, *, fork: bool = False) -> None:
        """Start the scheduler, and loading what nodes are forked from as soon as there is a scheduler to join.

        Args:
            fork: take forks of this process for all of it, which has loaded what they need (`load_modules`).
        """
        name, log_path = "the Dask scheduler", self._run_directory / "logs" / "scheduler.log"
        self._fork_server.on_note = self.on_note
        if fork:
            await self._fork_server.start_here()
            self._scheduler = await self._fork_server.fork(name, log_path=log_path, module=_SCHEDULER_MODULE)
        else:
            await self._fork_server.start()
            self._scheduler = await LocalProcess.start(name, _SCHEDULER_MODULE, log_path=log_path)
        self._scheduler.keep_going(self.on_note)
        self._scheduler.configure(
            {
                "host": "127.0.0.1",
                "port": 0,
                "worker_ttl_seconds": self._node_timeout_seconds,
                "temp_root": str(self._scheduler_temp_root),
            }
        )

    async def join(self) -> str:
        """Until the scheduler is there and all nodes have joined it; its address.

        Raises:
            InfrastructureError: one of them does not start.
        """
        assert self._scheduler is not None
        told = await self._scheduler.ready(START_PATIENCE_SECONDS, self.on_note)
        self._address = address = str(told["address"])
        self.credentials = Credentials.of(told["credentials"])
        self.background.start(self._watch_scheduler(self._scheduler), "watching the scheduler")
        allow_open_files(len(self.fleet.nodes))
        telling = asyncio.create_task(self._tell_wait())
        try:
            await asyncio.gather(*(self._join_node(spec, address) for spec in self.fleet.nodes))
        finally:
            telling.cancel()
        return address

    async def _tell_wait(self) -> None:
        while True:
            await asyncio.sleep(SAY_SECONDS)
            missing = sum(spec.id not in self._ready for spec in self.fleet.nodes)
            self.on_note(f"waiting for nodes: {missing} of {len(self.fleet.nodes)} are still starting")

    async def add(self, spec: NodeSpec) -> None:
        """Start one more node, and wait until it has joined.

        Raises:
            InfrastructureError: it does not start.
        """
        self.fleet = replace(self.fleet, nodes=(*self.fleet.nodes, spec))
        self._first_workers = first_workers(self.fleet)
        try:
            allow_open_files(len(self.fleet.nodes))
            await self._join_node(spec, self._address)
        except BaseException:
            await self.remove(spec.id)
            raise

    async def end_absent(self, present: Container[str]) -> None:
        """End the nodes that are not among these, which would keep others from ending what they share."""
        await asyncio.gather(*(self.remove(spec.id) for spec in self.fleet.nodes if spec.id not in present))

    async def remove(self, node_id: str) -> None:
        """End a node's process; it is not started again. What runs there ends with it."""
        self.fleet = replace(self.fleet, nodes=tuple(spec for spec in self.fleet.nodes if spec.id != node_id))
        self._restarts.pop(node_id, None)
        if process := self._nodes.pop(node_id, None):
            await process.stop()
        if temp_root := self._temp_roots.pop(node_id, None):
            await asyncio.to_thread(shutil.rmtree, temp_root, ignore_errors=True)

    async def _join_node(self, spec: NodeSpec, address: str) -> None:
        temp_root = self._temp_roots[spec.id] = make_temp_root()
        first_worker = self._first_workers[spec.id]
        log_path = self._run_directory / "logs" / f"{spec.id}.log"
        async with self._places:
            process = await self._fork_server.fork(f"node {spec.id!r}", log_path=log_path)
            if spec not in self.fleet.nodes:  # it was removed meanwhile
                await process.stop()
                return
            self._nodes[spec.id] = process
            process.configure(
                node_configuration(
                    spec,
                    scheduler=address,
                    credentials=self.credentials,
                    temp_root=temp_root,
                    first_worker=first_worker,
                    heartbeat_seconds=self._heartbeat_seconds,
                    shared=self._scheduler_temp_root / "pytest",
                    machine_slots=count_slots(self.fleet),
                )
            )
            await process.ready(START_PATIENCE_SECONDS)
        self._ready.add(spec.id)
        self.background.start(self._watch_node(spec, address, process), f"watching node {spec.id}")

    async def _watch_node(self, spec: NodeSpec, address: str, process: LocalProcess) -> None:
        began = time.monotonic()
        code = await process.wait()
        if time.monotonic() - began >= STEADY_SECONDS:
            self._restarts.pop(spec.id, None)
        if self._closing or self._nodes.get(spec.id) is not process:
            return
        await process.stop()  # for its line and its number
        self.on_node_ended(spec.id, f"its process ended with {code}")
        while not self._closing and spec.id in self._nodes and self._restarts[spec.id] < MAX_RESTARTS:
            self._restarts[spec.id] += 1
            await asyncio.to_thread(shutil.rmtree, self._temp_roots[spec.id], ignore_errors=True)
            if spec.id not in self._nodes:  # it was removed meanwhile
                return
            try:
                await self._join_node(spec, address)
                return
            except (InfrastructureError, OSError) as error:
                logger.info("node %s does not come back: %s", spec.id, error)
        self.on_node_given_up(spec.id, self._restarts[spec.id])

    async def _watch_scheduler(self, process: LocalProcess) -> None:
        await process.wait()
        if not self._closing:
            self.on_scheduler_ended()

    async def stop(self) -> None:
        """End what was started here; nodes first, so that none mourns its scheduler."""
        self._closing = True
        await self.background.end()
        await asyncio.gather(*(process.stop() for process in self._nodes.values()))
        if self._scheduler is not None:
            await self._scheduler.stop()
        await self._fork_server.stop()  # last: it buries what it has forked
        for temp_root in (self._scheduler_temp_root, *self._temp_roots.values()):
            await asyncio.to_thread(shutil.rmtree, temp_root, ignore_errors=True)


def load_modules() -> None:
    """Import all that scheduler and nodes run, so that they can be forked from this process."""
    with no_native_threads():
        from pulseq.processes.preload import load_late_modules  # Prefect and Dask, which nobody else here needs

        for name in (_SCHEDULER_MODULE, _NODE_MODULE):
            importlib.import_module(name)
        load_late_modules()


def node_fork_server(logs: Path, fleet: Fleet, environment: Mapping[str, str]) -> ForkServer:
    """What nodes of this machine are forked from; `environment` are variables besides those of this process."""
    return ForkServer(
        _NODE_MODULE,
        log_path=logs / "nodes.log",
        environment={**environment, **native_thread_limits(fleet, os.environ)},
        patience_seconds=START_PATIENCE_SECONDS,
    )


def node_configuration(
    spec: NodeSpec,
    *,
    scheduler: str,
    credentials: Credentials | None,
    temp_root: Path,
    first_worker: int,
    heartbeat_seconds: float,
    shared: Path,
    machine_slots: int,
) -> dict[str, Any]:
    """What `pulseq.node.node_process` is told to become a node of this machine."""
    return {
        "scheduler": scheduler,
        "credentials": credentials and credentials.told(),
        "node_id": spec.id,
        "host": "127.0.0.1",
        "port": spec.port,
        "slots": spec.max_concurrent_tests,
        "capabilities": dict(spec.capabilities),
        "temp_root": str(temp_root),
        "first_worker": first_worker,
        "shared": str(shared),
        "machine_slots": machine_slots,
        "heartbeat_seconds": heartbeat_seconds,
    }


def make_temp_root() -> Path:
    """The place of a directory for what one process and its bodies write; the process itself makes and removes it.

    Short, in the system's own place: sockets that bodies make under their TMPDIR have 108 bytes for a name.
    """
    return Path(tempfile.gettempdir(), f"pulseq-{secrets.token_hex(6)}")


def files_for(nodes: int) -> int:
    """How many files the process that owns so many nodes may have open at once."""
    return nodes * FILES_PER_NODE + _FILES_BESIDES


def allow_open_files(nodes: int) -> None:
    """Let this process have as many files open as owning so many nodes takes.

    Bodies keep the limit that they have: nodes are forked from a process that was started before.

    Raises:
        InfrastructureError: the system does not let it; the text has both numbers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files_for(nodes)
    if resource.RLIM_INFINITY == soft or wanted <= soft:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InfrastructureError(
            f"{nodes} nodes take {wanted} open files, and this process may have {hard}: "
            "start fewer nodes, or raise the limit (`ulimit -Hn`)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def count_slots(fleet: Fleet) -> int:
    """How many tests run at the same time on all nodes of this machine."""
    return sum(spec.max_concurrent_tests for spec in fleet.nodes)


def first_workers(fleet: Fleet) -> dict[str, int]:
    """The number of each node's first pytest worker.

    Their ids (gw0, gw1, …) name databases and ports in many suites: one a slot of the machine.
    """
    first: dict[str, int] = {}
    slots = 0
    for spec in fleet.nodes:
        first[spec.id] = slots
        slots += spec.max_concurrent_tests
    return first


def check_fleet(fleet: Fleet) -> None:
    """Refuse a fleet that cannot be started here, before anything is.

    Raises:
        UsageError: names every node on another host, and every one whose port cannot be had.
    """
    problems = [problem for spec in fleet.nodes if (problem := _problem_of(spec))]
    if problems:
        source = f"{fleet.source}: " if fleet.source else ""
        raise UsageError("\n".join(source + problem for problem in problems))


def _problem_of(spec: NodeSpec) -> str | None:
    return find_host_problem(spec) or find_port_problem(spec)


def find_host_problem(spec: NodeSpec) -> str | None:
    """Why a node cannot be started from this machine; None where it can."""
    if spec.host in LOCAL_HOSTS:
        return None
    return f"node {spec.id!r}: host {spec.host!r} is not this machine, expected localhost"


def find_port_problem(spec: NodeSpec) -> str | None:
    """Why the port that a node is to have on this machine cannot be had; None where it can."""
    if not spec.port:
        return None
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", spec.port))
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            return f"node {spec.id!r}: port {spec.port} {why}; choose another, or 0 for any free port"
    return None
