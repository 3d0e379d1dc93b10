"""The nodes of a run as its driver sees them: who is there, who comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulseq.background import Background
from pulseq.cluster.driver_client import connect_driver, refuses
from pulseq.cluster.marks import decode_mark, read_marks
from pulseq.cluster.node_check import find_trouble, say_no_nodes
from pulseq.cluster.node_watch import NodeWatch
from pulseq.cluster.own_nodes import OwnNodes
from pulseq.cluster.retire_watch import RetireWatch
from pulseq.cluster.run_watch import DRIVERS_KEY, RunWatch, run_of
from pulseq.errors import InfrastructureError, UsageError
from pulseq.marks import NodeMark
from pulseq.models import CapabilityValue
from pulseq.processes.clock_steps import ClockSteps, go_on
from pulseq.processes.node_forks import START_PATIENCE_SECONDS
from pulseq.protocol.entry_points import MARKED, NODE_TOPIC
from pulseq.protocol.node_probe import Answer, probe_node
from pulseq.protocol.welcome import say_taken
from pulseq.security.credentials import Credentials

#: How long the scheduler may take to notice that a local node's process has ended.
GONE_PATIENCE_SECONDS = 3.0
_CLIENT_POLL_SECONDS = 1.0
#: How much of `node_timeout` a driver tries to be at its scheduler again: at the end of all of it, tests that wait for
#: nodes are told that there are none.
_RETURN_SHARE = 0.9
#: How long all may take to forget a run whose driver was killed just now.
_LEAVING_SECONDS = 4.0
#: How long to wait for what this driver says itself on the topic of nodes, before it says it again.
_ECHO_SECONDS = 0.02


class _AnotherSchedulerError(Exception):
    """Another one has the address of the scheduler that this driver was at."""


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A node that is there: where it listens, what it offers.

    `incarnation` is of one start of its process: a node that comes back by itself has another one. `way` is how it
    came to be: `local`, `ssh` or `joined`. Nodes of one `store` share what they are sent; it is empty where there is
    none. `labels` are all that it says of itself, but for its capabilities.
    """

    id: str
    address: str
    host: str
    slots: int
    capabilities: Mapping[str, CapabilityValue]
    incarnation: str = ""
    way: str = "local"
    store: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)


class Cluster:
    """The members of a Dask cluster, seen by one driver through one asynchronous client.

    Attributes:
        on_joined, on_left: called as nodes come and go; a node that left has said its last before.
        marks: what is said of nodes that are not to have tests, by their ids, also of those that are not there.
        on_marked: called with each mark when it is in `marks`, or has been taken out, and with those of before.
        lost: whether the scheduler is gone.
        on_refused: called with a node that is there and cannot take part, and what to do.
        strangers: addresses of workers that are no nodes.
        on_connected: called with each connection to the scheduler, before nodes are told of: its `client` is another.
        on_link: called with a line for people when the connection is lost, and when there is another.
        on_lost: called once, with why, when the scheduler is gone, and with it everything.
        background: what is done here beside.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, LiveNode] = {}
        self.marks: dict[str, NodeMark] = {}
        self.address = ""
        self.credentials: Credentials | None = None
        self.lost = False
        self.on_marked: Callable[[NodeMark], None] = lambda mark: None
        self.on_joined: Callable[[LiveNode], None] = lambda node: None
        self.on_left: Callable[[str, str], None] = lambda node_id, why: None
        self.on_connected: Callable[[], None] = lambda: None
        self.on_link: Callable[[str], None] = lambda text: None
        self.on_lost: Callable[[str], None] = lambda why: None
        self.on_refused: Callable[[str, str], None] = lambda node_id, why: None
        self.strangers: set[str] = set()
        self._refused: dict[str, str] = {}
        self._membership = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._closing = False
        self.background = Background()

    async def connect(
        self,
        address: str,
        *,
        name: str,
        foreign: bool,
        node_timeout: float = 60.0,
        credentials: Credentials | None = None,
    ) -> None:
        """Connect to the scheduler at `address` as `name`; `foreign` where it is not one of this run's.

        Args:
            node_timeout: seconds of silence that a link may have, to this scheduler too.
            credentials: of the cluster; None for somebody's own that has none.

        Raises:
            InfrastructureError: nothing answers there.
            UsageError: another driver has a run of this id there.
        """
        self.address, self.credentials = address, credentials
        self._name, self._foreign, self._node_timeout = name, foreign, node_timeout
        self._scheduler_id = await self._open()
        self.background.start(ClockSteps().watch(self._note_clock_set), "watching the clock")
        if foreign:
            self.background.start(self._watch_client(), "watching the connection to the scheduler")

    async def _open(self, scheduler_id: str | None = None) -> str:
        """Be at the scheduler, or at the one with this id and no other; its id."""
        self.client: Any = await connect_driver(
            self.address, name=self._name, node_timeout=self._node_timeout, credentials=self.credentials
        )
        identity = await self.client.scheduler.identity(n_workers=0)
        if scheduler_id not in (None, identity["id"]):
            raise _AnotherSchedulerError
        if self._foreign:
            await self._watch_foreign()
        self.on_connected()
        await self._subscribe()  # only now: a node that is told of gets a message at once
        for mark in (await read_marks(self.client.scheduler)).values():
            self._note_mark(mark)
        identity = await self.client.scheduler.identity(n_workers=-1)
        for address, info in identity["workers"].items():
            self._joined(address, info.get("pulseq", {}))
        return str(identity["id"])

    def _note_clock_set(self, _step: float) -> None:
        if self.client.scheduler_comm is not None:
            go_on([self.client.scheduler_comm], {})

    async def _watch_foreign(self) -> None:
        """Have a scheduler that is not this run's tell of its nodes, and end what a driver leaves that is killed."""
        try:
            await self.client.register_plugin(PortableNodeWatch(), name=NodeWatch.name)
            await self.client.register_plugin(RunWatch(), name=RunWatch.name)
            await self.client.register_plugin(RetireWatch(), name=RetireWatch.name)
        except Exception as error:  # whatever its process lacks
            raise InfrastructureError(
                f"the scheduler at {self.address!r} cannot take PulseQ's plug-ins ({type(error).__name__}: {error}); "
                "install the same release of PulseQ where it runs"
            ) from error
        await self._own_run()

    async def _own_run(self) -> None:
        """
        Raises:
            UsageError: another driver has a run of this id at the scheduler, and goes on.
        """
        run_id = run_of(self.client.id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVING_SECONDS):
                while run_id is not None:
                    drivers = await self.client.scheduler.get_metadata(keys=[DRIVERS_KEY], default={})
                    if drivers.get(run_id, self.client.id) == self.client.id:
                        return
                    await asyncio.sleep(_CLIENT_POLL_SECONDS / 5)
                return
        raise UsageError(f"--run-id: found {run_id!r}, which is a run that goes on at {self.address!r}; choose another")

    def require_nodes(self) -> None:
        """
        Raises:
            InfrastructureError: no node can take part; the text says why, and what to do.
        """
        if not self.nodes:
            raise InfrastructureError(say_no_nodes(self.address, len(self.strangers), self._refused))

    async def _subscribe(self) -> None:
        # The wish travels by another way than questions, and later: a node that joined between would never be heard of.
        self._subscribed.clear()
        self.client.subscribe_topic(NODE_TOPIC, self._handle_node_event)
        while not self._subscribed.is_set():
            await self.client.log_event(NODE_TOPIC, {"event": "asked", "address": ""})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ECHO_SECONDS):
                    await self._subscribed.wait()

    @property
    def is_cut(self) -> bool:
        """Whether the connection to the scheduler has ended: what was asked on it gets no answer any more."""
        return bool(self.client.status != "running")

    def has_address(self, address: str) -> bool:
        """Whether a node with this address is a member."""
        return any(node.address == address for node in self.nodes.values())

    async def probe(self, node: LiveNode, seconds: float) -> Answer | None:
        """What a node answers; None where it has not within so many seconds.

        Raises:
            OSError: the scheduler is gone.
        """
        return await probe_node(self.client.scheduler, node.address, seconds)

    async def wait_for(self, node_id: str, patience_seconds: float) -> LiveNode:
        """Until a node is a member.

        Raises:
            TimeoutError: it has not come in time.
        """
        async with asyncio.timeout(patience_seconds):
            while node_id not in self.nodes:
                self._membership.clear()
                await self._membership.wait()
        return self.nodes[node_id]

    async def follow(self, local: OwnNodes) -> None:
        """Take note of the ends of local processes, and wait until all local nodes are members."""
        local.on_node_ended = self._note_process_ended
        local.on_scheduler_ended = self._lose_scheduler
        wanted = {spec.id for spec in local.fleet.nodes}
        # Ready is the node's word; that it has joined is the scheduler's, and comes on another way.
        try:
            async with asyncio.timeout(START_PATIENCE_SECONDS):
                while not wanted <= set(self.nodes):
                    self._membership.clear()
                    await self._membership.wait()
        except TimeoutError:
            missing = ", ".join(sorted(wanted - set(self.nodes)))
            within = f"within {START_PATIENCE_SECONDS:g} s after they were ready"
            raise InfrastructureError(f"the Dask scheduler did not take these nodes in {within}: {missing}") from None

    def _note_process_ended(self, node_id: str, why: str) -> None:
        self.background.start(self._confirm_end(node_id, why), f"waiting for the end of node {node_id}")

    async def _confirm_end(self, node_id: str, why: str) -> None:
        # The scheduler's own word comes after the node's last results; the process's end may come before them.
        before = self.nodes.get(node_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GONE_PATIENCE_SECONDS):
                while before is not None and self.nodes.get(node_id) is before:
                    self._membership.clear()
                    await self._membership.wait()
        if before is not None and self.nodes.get(node_id) is before:
            self._left(node_id, why)

    async def _watch_client(self) -> None:
        while True:
            while not self.is_cut:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(_CLIENT_POLL_SECONDS)
            if self._closing or not await self._return():
                break
        self._lose_scheduler()

    async def _return(self) -> bool:
        """Be at the scheduler again after a link that was down for too long; whether that could be.

        It has let this driver go, and ended what was under way: so all nodes have left, and those that are there come.
        """
        if await refuses(self.address):
            return False
        seconds = _RETURN_SHARE * self._node_timeout
        down = f"the link to the scheduler at {self.address!r} was down for so long that it has ended what ran"
        self.on_link(f"{down}: trying for up to {seconds:.0f} s to be there again")
        try:
            async with asyncio.timeout(seconds):
                return await self._try_to_return()
        except TimeoutError:
            return False

    async def _try_to_return(self) -> bool:
        self._leave_all()
        while not await refuses(self.address):
            try:
                await self._open(self._scheduler_id)
            except _AnotherSchedulerError:
                return False
            except Exception:  # noqa: BLE001 - not yet; its former self is not forgotten; or the link broke again
                self._leave_all()
                await self._drop_client()
                await asyncio.sleep(_CLIENT_POLL_SECONDS)
            else:
                self.on_link(f"the scheduler at {self.address!r} is reached again")
                return True
        return False

    def _leave_all(self) -> None:
        for node_id in list(self.nodes):
            self._left(node_id, "the link to the scheduler was down for too long")
        self.strangers.clear()
        self.marks.clear()

    async def _drop_client(self) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            await self.client.close(timeout=2)

    def _lose_scheduler(self) -> None:
        if not self._closing:
            self.lost = self._closing = True
            self.on_lost(f"the Dask scheduler at {self.address!r} is gone, and the nodes with it")

    async def _handle_node_event(self, event: tuple[float, dict[str, Any]]) -> None:
        self._subscribed.set()
        message = event[1]
        if message["event"] == "joined":
            self._joined(message["address"], message["labels"])
            return
        if message["event"] == MARKED and (mark := decode_mark(message["mark"])) is not None:
            self._note_mark(mark)
        self.strangers.discard(message["address"])
        for node in list(self.nodes.values()):
            if node.address == message["address"]:
                self._left(node.id, message["why"])

    def _note_mark(self, mark: NodeMark) -> None:
        before = self.marks.pop(mark.node_id, None)
        if not mark.is_open:
            self.marks[mark.node_id] = mark
        if mark != before:  # it may have come on both ways
            self.on_marked(mark)

    def _joined(self, address: str, labels: Mapping[str, Any]) -> None:
        known = self.nodes.get(labels.get("id", ""))
        incarnation = labels.get("incarnation", "")
        if not labels:
            self.strangers.add(address)
            return
        if known is not None and (known.address, known.incarnation) == (address, incarnation):
            return
        trouble = find_trouble(labels)
        if known is not None and known.address == address:
            self._left(known.id, "its process ended, and another one has its place")
        elif known is not None:  # a member still: its scheduler would have told first that it has left
            trouble = trouble or say_taken(known.id, known.host, known.address, address)
        if trouble is not None:
            self._refused[labels["id"]] = trouble
            self.on_refused(labels["id"], trouble)
            return
        node = LiveNode(
            labels["id"],
            address,
            host=labels.get("host") or address.split("://")[-1].rsplit(":", 1)[0],
            slots=labels["slots"],
            capabilities=labels["capabilities"],
            incarnation=incarnation,
            way=labels.get("way", "local"),
            store=labels.get("store", ""),
            labels={name: value for name, value in labels.items() if name != "capabilities"},
        )
        self.nodes[node.id] = node
        self._membership.set()
        self.on_joined(node)

    def _left(self, node_id: str, why: str) -> None:
        left = self.nodes.pop(node_id, None)
        self._membership.set()
        if left is not None and not self._closing:
            self.on_left(node_id, why)

    async def close(self) -> None:
        """Leave the cluster; its processes are not touched."""
        self._closing = True
        await self.background.end()
        if hasattr(self, "client"):
            await self._drop_client()


class PortableNodeWatch(NodeWatch):
    """The same plug-in for a scheduler that somebody else started: it meets its scheduler there."""

    #: Where one is, by `pulseq up` or an earlier run, it stays.
    idempotent = True

    def __init__(self) -> None:
        pass

    async def start(self, scheduler: Any) -> None:
        self._scheduler = scheduler
