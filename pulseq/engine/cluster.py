"""The nodes of a run: a Dask scheduler, local nodes, and who comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client

from pulseq.engine.api_server import QUIET_SETTINGS
from pulseq.engine.local_process import LocalProcess
from pulseq.engine.node_watch import NODE_TOPIC, NodeWatch
from pulseq.errors import InfrastructureError, UsageError
from pulseq.models import CapabilityValue, Fleet, NodeSpec

logger = logging.getLogger("pulseq.cluster")

START_TIMEOUT_SECONDS = 60.0
#: A local node that dies is started again this often; one that still dies has a reason that stays.
MAX_RESTARTS = 5
#: How long the scheduler may take to notice that a local node's process has ended.
GONE_PATIENCE_SECONDS = 3.0
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A node that is there: where it listens, what it offers."""

    id: str
    address: str
    host: str
    slots: int
    capabilities: Mapping[str, CapabilityValue]


NodeJoinedHandler = Callable[[LiveNode], None]
NodeLeftHandler = Callable[[str, str], None]


class Cluster:
    """A scheduler and its nodes, seen by one driver through one asynchronous Dask client."""

    def __init__(self, *, run_directory: Path, heartbeat_seconds: float, node_timeout_seconds: float) -> None:
        self._run_directory = run_directory
        self._heartbeat_seconds = min(heartbeat_seconds, node_timeout_seconds / 3)
        self._node_timeout_seconds = node_timeout_seconds
        self._scheduler: LocalProcess | None = None
        self._local: dict[str, LocalProcess] = {}
        self._gone: dict[str, asyncio.Event] = {}
        self._here: dict[str, asyncio.Event] = {}
        # pytest's worker ids (gw0, gw1, …) name databases and ports in many suites: one a slot of the machine.
        self._first_worker: dict[str, int] = {}
        self._slots_so_far = 0
        self._guards: set[asyncio.Task[None]] = set()
        self._restarts: Counter[str] = Counter()
        self._closing = False
        self.nodes: dict[str, LiveNode] = {}
        self.address = ""
        self.on_joined: NodeJoinedHandler = lambda node: None
        self.on_left: NodeLeftHandler = lambda node_id, why: None

    async def start(self, *, scheduler_address: str | None = None) -> None:
        """Start a scheduler on loopback, or use the one at `scheduler_address`.

        Raises:
            InfrastructureError: it does not start, or nothing answers at the address.
        """
        if scheduler_address:
            self.address = scheduler_address
        else:
            self._scheduler = await LocalProcess.start(
                "the Dask scheduler",
                "pulseq.engine.scheduler_process",
                {"host": "127.0.0.1", "port": 0, "worker_ttl_seconds": self._node_timeout_seconds},
                log_path=self._run_directory / "logs" / "scheduler.log",
            )
            self.address = (await self._scheduler.ready(START_TIMEOUT_SECONDS))["address"]
        await self._connect()

    async def _connect(self) -> None:
        try:
            self.client: Any = await Client(  # type: ignore[no-untyped-call]
                self.address, asynchronous=True, set_as_default=False, timeout=10
            )
        except (OSError, ValueError) as error:
            raise InfrastructureError(no_scheduler(self.address, error)) from error
        self.client.subscribe_topic(NODE_TOPIC, self._handle_node_event)
        if self._scheduler is None:
            await self.client.register_plugin(_PortableNodeWatch(), name=NodeWatch.name)
        identity = await self.client.scheduler.identity(n_workers=-1)
        for address, info in identity["workers"].items():
            self._joined(address, info.get("pulseq", {}))

    async def start_nodes(self, fleet: Fleet, environment: Mapping[str, str]) -> None:
        """Start the fleet's local nodes side by side and wait until all have joined."""
        async with asyncio.TaskGroup() as group:
            for spec in fleet.nodes:
                group.create_task(self._start_node(spec, dict(environment)))
        # Ready is the node's word; that it has joined is the scheduler's, and comes on another way.
        for spec in fleet.nodes:
            await asyncio.wait_for(self._here[spec.id].wait(), START_TIMEOUT_SECONDS)

    async def _start_node(self, spec: NodeSpec, environment: dict[str, str]) -> None:
        self._gone[spec.id] = asyncio.Event()
        self._here[spec.id] = asyncio.Event()
        first_worker = self._first_worker.setdefault(spec.id, self._slots_so_far)
        self._slots_so_far = max(self._slots_so_far, first_worker + spec.max_concurrent_tests)
        process = await LocalProcess.start(
            f"node {spec.id!r}",
            "pulseq.engine.node_process",
            {
                "scheduler": self.address,
                "node_id": spec.id,
                "host": "127.0.0.1",
                "port": spec.port,
                "slots": spec.max_concurrent_tests,
                "capabilities": dict(spec.capabilities),
                "temp_root": str(self.temp_root / spec.id),
                "first_worker": first_worker,
                "heartbeat_seconds": self._heartbeat_seconds,
                "environment": {**NODE_SETTINGS, **environment},
            },
            log_path=self._run_directory / "logs" / f"{spec.id}.log",
        )
        self._local[spec.id] = process
        await process.ready(START_TIMEOUT_SECONDS)
        guard = asyncio.create_task(self._guard(spec, environment, process))
        self._guards.add(guard)
        guard.add_done_callback(self._guards.discard)

    async def _guard(self, spec: NodeSpec, environment: dict[str, str], process: LocalProcess) -> None:
        code = await process.wait()
        if self._closing:
            return
        # The scheduler's own word comes after the node's last results; the process's end may come before them.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone[spec.id].wait(), GONE_PATIENCE_SECONDS)
        self._left(spec.id, f"its process ended with {code}")
        self._restarts[spec.id] += 1
        if self._restarts[spec.id] > MAX_RESTARTS:
            logger.warning("node %s died %d times and is not started again", spec.id, self._restarts[spec.id])
            return
        try:
            await self._restart(spec, environment)
        except (InfrastructureError, OSError) as error:
            logger.warning("node %s does not come back: %s", spec.id, error)

    async def _restart(self, spec: NodeSpec, environment: dict[str, str]) -> None:
        shutil.rmtree(self.temp_root / spec.id, ignore_errors=True)
        await self._start_node(spec, environment)

    @property
    def temp_root(self) -> Path:
        """Where local nodes keep what is gone with them."""
        return self._run_directory / "tmp"

    async def _handle_node_event(self, event: tuple[float, dict[str, Any]]) -> None:
        message = event[1]
        if message["event"] == "joined":
            self._joined(message["address"], message["labels"])
            return
        for node in list(self.nodes.values()):
            if node.address == message["address"]:
                self._left(node.id, message["why"])

    def _joined(self, address: str, labels: Mapping[str, Any]) -> None:
        known = self.nodes.get(labels.get("id", ""))
        if not labels or (known is not None and known.address == address):
            return
        if known is not None:
            self._left(known.id, "it came back under another address")
        node = LiveNode(
            labels["id"], address, address.split("://")[-1].rsplit(":", 1)[0], labels["slots"], labels["capabilities"]
        )
        self.nodes[node.id] = node
        self.on_joined(node)
        if here := self._here.get(node.id):
            here.set()

    def _left(self, node_id: str, why: str) -> None:
        if gone := self._gone.get(node_id):
            gone.set()
        if self.nodes.pop(node_id, None) is not None and not self._closing:
            self.on_left(node_id, why)

    async def stop(self) -> None:
        """End what was started here; nodes first, so that none mourns its scheduler."""
        self._closing = True
        for guard in list(self._guards):
            guard.cancel()
        await asyncio.gather(*(process.stop() for process in self._local.values()))
        if hasattr(self, "client"):
            with contextlib.suppress(TimeoutError, OSError):
                await self.client.close(timeout=2)
        if self._scheduler is not None:
            await self._scheduler.stop()
        shutil.rmtree(self.temp_root, ignore_errors=True)


class _PortableNodeWatch(NodeWatch):
    """The same plug-in for a scheduler that somebody else started: it meets its scheduler there."""

    def __init__(self) -> None:
        pass

    async def start(self, scheduler: Any) -> None:
        self._scheduler = scheduler


#: What every node is told: no telemetry, and no log line of a test run to the API, where each is a row.
NODE_SETTINGS: Mapping[str, str] = {
    **QUIET_SETTINGS,
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
}


async def check_scheduler(address: str) -> None:
    """Make sure that something listens at a scheduler's address, before anything is started.

    Raises:
        UsageError: it is no address.
        InfrastructureError: nothing answers there.
    """
    try:
        host, _, port_text = address.rpartition("://")[2].rpartition(":")
        port = int(port_text)
    except ValueError:
        raise UsageError(f"--scheduler: found {address!r}, expected an address like 'tcp://127.0.0.1:8786'") from None
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
        writer.close()
    except OSError as error:
        raise InfrastructureError(no_scheduler(address, error)) from error


def no_scheduler(address: str, error: Exception) -> str:
    """What is said when no scheduler answers, and what to do."""
    return (
        f"no Dask scheduler answers at {address!r} ({type(error).__name__}); "
        "start one, or leave out --scheduler to use nodes of this machine"
    )


def check_fleet(fleet: Fleet) -> None:
    """Refuse a fleet that cannot be started here, before anything is.

    Raises:
        UsageError: names every node on another host, and every one whose port cannot be had.
    """
    problems: list[str] = []
    for spec in fleet.nodes:
        if spec.host not in LOCAL_HOSTS:
            problems.append(f"node {spec.id!r}: host {spec.host!r} is not this machine, expected localhost")
            continue
        if not spec.port:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", spec.port))
            except OSError as error:
                why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
                problems.append(f"node {spec.id!r}: port {spec.port} {why}; choose another, or 0 for any free port")
    if problems:
        source = f"{fleet.source}: " if fleet.source else ""
        raise UsageError("\n".join(source + problem for problem in problems))
