"""What a run, or a program, has of its own: a Dask scheduler, and nodes here and on other hosts.

Nothing heavy is imported here, so that a run can start them before it imports Prefect and Dask
itself: on a machine of two cores that is a third of the way to the first test.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import logging
import resource
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from pathlib import Path

from pulseq.background import Background
from pulseq.cluster.node_starter import NodeProcess, NodeStarter
from pulseq.cluster.ssh_command import split_host
from pulseq.cluster.ssh_host import SshHost
from pulseq.errors import InfrastructureError, UsageError
from pulseq.fleet import Fleet, NodeSpec
from pulseq.processes.local_process import LocalProcess
from pulseq.processes.native_threads import no_native_threads
from pulseq.processes.node_forks import NODE_MODULE, START_PATIENCE_SECONDS, make_temp_root
from pulseq.processes.patience import SAY_SECONDS
from pulseq.security.credentials import Credentials

logger = logging.getLogger("pulseq.nodes")

_SCHEDULER_MODULE = "pulseq.cluster.scheduler_process"
#: What the owner of a node has open for it, and besides: for those that start, for the flow run and the results.
FILES_PER_NODE = 2
_FILES_BESIDES = 400
#: A local node that dies is started again this often; one that still dies has a reason that stays.
MAX_RESTARTS = 5
#: One that has lived so long has got over what ended it before.
STEADY_SECONDS = 60.0
#: How long a host that is lost is left alone before it is asked again: at first, and in the end.
FIRST_PAUSE_SECONDS = 1.0
MOST_PAUSE_SECONDS = 15.0


class OwnNodes:
    """A scheduler of this machine and nodes of any, started early, restarted, ended with their owner.

    Args:
        environment: variables of nodes besides those of this process.
        without_missing: whether to go on without nodes whose hosts cannot be used.
        listen: ADDRESS:PORT at which nodes of other machines reach the scheduler; empty lets none in.
        shown: what it then shows them, and wants to see the like of.

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
        without_missing: bool = False,
        listen: str = "",
        shown: Credentials | None = None,
    ) -> None:
        self.fleet = fleet
        self._listen = listen
        self._shown = shown
        self._without_missing = without_missing
        self._run_directory = run_directory
        self._node_timeout_seconds = node_timeout_seconds
        self._nodes: dict[str, NodeProcess] = {}
        self._ready: set[str] = set()
        self._scheduler: LocalProcess | None = None
        self._scheduler_temp_root = make_temp_root()
        self._starter = NodeStarter(
            fleet,
            logs=run_directory / "logs",
            shared=self._scheduler_temp_root / "pytest",
            environment=environment,
            heartbeat_seconds=heartbeat_seconds,
            node_timeout_seconds=node_timeout_seconds,
        )
        self._connecting = False
        self._restarts: Counter[str] = Counter()
        self.credentials: Credentials | None = None
        self.background = Background()
        self._closing = False
        self.on_node_ended: Callable[[str, str], None] = lambda node_id, why: None
        self.on_node_given_up: Callable[[str, int], None] = lambda node_id, deaths: None
        self.on_scheduler_ended: Callable[[], None] = lambda: None
        self.on_note: Callable[[str], None] = logger.info

    async def start(self, *, fork: bool = False) -> None:
        """Start the scheduler, connecting to other hosts, and loading what nodes of this machine are forked from.

        Args:
            fork: take forks of this process for all of it, which has loaded what they need (`load_modules`).
        """
        name, log_path = "the Dask scheduler", self._run_directory / "logs" / "scheduler.log"
        fork_server = self._starter.forks.fork_server
        fork_server.on_note = self.on_note
        if fork:
            await fork_server.start_here()
            self._scheduler = await fork_server.fork(name, log_path=log_path, module=_SCHEDULER_MODULE)
        else:
            if self._starter.has_local() or not self.fleet.nodes:  # whoever has none yet adds some
                await fork_server.start()
            self._scheduler = await LocalProcess.start(name, _SCHEDULER_MODULE, log_path=log_path)
        self._scheduler.keep_going(self.on_note)
        host, _, port = self._listen.rpartition(":")
        self._scheduler.configure(
            {
                "listen": host.strip("[]") or None,
                "port": int(port or 0),
                "credentials": self._shown and self._shown.told(),
                "worker_ttl_seconds": self._node_timeout_seconds,
                "temp_root": str(self._scheduler_temp_root),
            }
        )
        await self.connect_hosts()

    async def connect_hosts(self) -> None:
        """Begin to connect to other hosts, which then load what nodes need; it is not waited for, and done once."""
        if not self._connecting:
            self._connecting = True
            for host in self._starter.hosts():
                self.background.start(self._connect(host), f"connecting to host {host.host}")
            await asyncio.sleep(0)  # they have started ssh by then

    async def _connect(self, host: SshHost) -> None:
        with contextlib.suppress(InfrastructureError):  # who starts nodes there is told
            began = time.monotonic()
            await host.connect()
            self.on_note(f"host {host.host} is there after {time.monotonic() - began:.1f} s")

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
            await self._join_all(address)
        finally:
            telling.cancel()
        return address

    async def _join_all(self, address: str) -> None:
        joining = [asyncio.ensure_future(self._join_node(spec, address)) for spec in self.fleet.nodes]
        ends = await asyncio.gather(*joining, return_exceptions=True)
        troubles: dict[str, list[NodeSpec]] = {}
        for spec, end in zip(self.fleet.nodes, ends, strict=True):
            if isinstance(end, InfrastructureError):
                troubles.setdefault(str(end), []).append(spec)
            elif end is not None:
                raise end
        missing = [spec for specs in troubles.values() for spec in specs]
        if troubles and (not self._without_missing or len(missing) == len(self.fleet.nodes)):
            raise InfrastructureError("\n".join(troubles))
        for trouble, specs in troubles.items():
            self.on_note(f"going on without {', '.join(spec.id for spec in specs)}: {trouble}")
            await asyncio.gather(*(self.remove(spec.id) for spec in specs))

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
        self._set_fleet(replace(self.fleet, nodes=(*self.fleet.nodes, spec)))
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
        self._set_fleet(replace(self.fleet, nodes=tuple(spec for spec in self.fleet.nodes if spec.id != node_id)))
        self._restarts.pop(node_id, None)
        if process := self._nodes.pop(node_id, None):
            await process.stop()
        await self._starter.clear(node_id)
        await self._starter.leave_unused()

    def _set_fleet(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._starter.note_fleet(fleet)

    async def _join_node(self, spec: NodeSpec, address: str) -> None:
        process = await self._starter.start_node(spec, address, self.credentials)
        if spec not in self.fleet.nodes:  # it was removed meanwhile
            await process.stop()
            await self._starter.clear(spec.id)
            return
        self._nodes[spec.id] = process
        self._ready.add(spec.id)
        self.background.start(self._watch_node(spec, address, process), f"watching node {spec.id}")

    async def _watch_node(self, spec: NodeSpec, address: str, process: NodeProcess) -> None:
        began = time.monotonic()
        code = await process.wait()
        if time.monotonic() - began >= STEADY_SECONDS:
            self._restarts.pop(spec.id, None)
        if self._closing or self._nodes.get(spec.id) is not process:
            return
        await process.stop()  # for its line and its number
        host = self._starter.host_of(spec)
        lost = host is not None and not host.is_connected
        self.on_node_ended(
            spec.id, f"the way to host {spec.host} is lost" if lost else f"its process ended with {code}"
        )
        pause = FIRST_PAUSE_SECONDS
        while not self._is_over and spec.id in self._nodes and self._restarts[spec.id] < MAX_RESTARTS:
            if not lost:
                self._restarts[spec.id] += 1
            try:
                await self._join_node(spec, address)
                return
            except (InfrastructureError, OSError) as error:
                logger.info("node %s does not come back: %s", spec.id, error)
            lost = host is not None and not host.is_connected
            if lost:  # a host may be away for long: it is asked less and less often, for as long as the run lasts
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_PAUSE_SECONDS)
        if not self._is_over and spec.id in self._nodes:
            self.on_node_given_up(spec.id, self._restarts[spec.id])

    @property
    def _is_over(self) -> bool:
        """Whether there is nothing that a node could join; one that ends then has lost its scheduler."""
        return self._closing or self._scheduler is None or not self._scheduler.alive

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
        await self._starter.stop()
        await asyncio.to_thread(shutil.rmtree, self._scheduler_temp_root, ignore_errors=True)


def load_modules() -> None:
    """Import all that scheduler and nodes run, so that they can be forked from this process."""
    with no_native_threads():
        from pulseq.processes.preload import load_late_modules  # Prefect and Dask, which nobody else here needs

        for name in (_SCHEDULER_MODULE, NODE_MODULE):
            importlib.import_module(name)
        load_late_modules()


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
    """Why a node cannot be started where it is to be; None where nothing speaks against it."""
    if spec.is_local or spec.joins:
        return None
    try:
        user, _ = split_host(spec.host)
    except ValueError as error:
        return f"node {spec.id!r}: host: {error}"
    return (
        None
        if user is None
        else f"node {spec.id!r}: host: found {spec.host!r}, expected the user as `ssh: {{user: {user}}}`"
    )


def find_port_problem(spec: NodeSpec) -> str | None:
    """Why the port that a node is to have on this machine cannot be had; None where it can."""
    if not spec.port or not spec.is_local:
        return None
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", spec.port))
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be bound ({error.strerror})"
            return f"node {spec.id!r}: port {spec.port} {why}; choose another, or 0 for any free port"
    return None
