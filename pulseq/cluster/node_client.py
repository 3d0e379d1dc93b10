"""The driver's way to its nodes: dispatches and messages, each to exactly one node; all that gives Dask a task."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from distributed import Client
from distributed.protocol.serialize import to_serialize

from pulseq.background import Background
from pulseq.models import Key
from pulseq.protocol.coding import decode, encode
from pulseq.protocol.entry_points import TAKE_DIRECTLY, SealedMessage, take_dispatch, take_message, task_key
from pulseq.protocol.project_files import Done, Lacking, Workspace
from pulseq.protocol.to_node import (
    NO_VARIABLES,
    BeginRun,
    BodyVariables,
    CancelRun,
    Collect,
    DropArtifacts,
    FetchArtifact,
    FinishSessions,
    GiveBackTests,
    LeaveRun,
    NoNext,
    OfferProject,
    Order,
    RunTask,
)
from pulseq.protocol.work import Dispatch
from pulseq.pytest_sessions import Collection, PytestSpec

logger = logging.getLogger("pulseq.nodes")

#: How often a call that has no answer yet looks whether its node is still a member.
MEMBER_POLL_SECONDS = 1.0
#: How long a connection to a node may take before the scheduler is asked to pass on what it is to get.
_CONNECT_SECONDS = 3.0


class NodeClient:
    """Speaks to the nodes of a cluster about runs.

    Attributes:
        background: what waits for dispatches to end.
    """

    def __init__(self) -> None:
        self.background = Background()
        #: Which nodes this process can connect to, of those that were asked so.
        self._reached: dict[str, bool] = {}

    def bind(self, client: Client, is_member: Callable[[str], bool] = lambda _: True) -> None:
        """Use this asynchronous Dask client; call it before anything is sent.

        Args:
            is_member: whether a node with this address is still thought to be there.
        """
        self._is_member = is_member
        # That a scheduler is gone is told in our words, not as tracebacks of a client that tries again.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        # Nor that it closes connections, one line each, where there are hundreds of nodes.
        for name in ("distributed.core", "distributed.batched", "distributed.comm"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = client

    async def begin_run(
        self,
        run_id: str,
        addresses: list[str],
        workspace: Workspace | None = None,
        bodies: BodyVariables = NO_VARIABLES,
    ) -> None:
        """Make nodes know a run, so that they can be sent its dispatches.

        Args:
            workspace: where they have its project; None where it is at the paths that its tests name.
            bodies: the environment of its bodies there.

        Raises:
            OSError: one of them is gone, or could not.
        """
        begin = BeginRun(workspace, bodies)
        for answer in (await self._ask(addresses, Order(run_id, begin))).values():
            if isinstance(answer, OSError):
                raise answer

    async def offer_project(self, run_id: str, address: str, offer: OfferProject) -> Lacking:
        """What a node's host lacks of a project.

        Raises:
            OSError: the node is gone.
        """
        return decode(await self._hand_over(address, encode(Order(run_id, offer))), Lacking)

    async def send_project(self, address: str, order: bytes) -> Done:
        """Send a node a part of a project, or have it make a tree of it.

        Args:
            order: an encoded `Order`, which other nodes may be sent as well.

        Raises:
            OSError: the node is gone.
        """
        return decode(await self._hand_over(address, order), Done)

    async def leave_run(self, run_id: str, addresses: list[str]) -> None:
        """Make nodes forget a run; what still runs there is ended."""
        await self._ask(addresses, Order(run_id, LeaveRun()))

    async def cancel_run(self, run_id: str, addresses: list[str]) -> None:
        """End the bodies of a run on these nodes; their attempts say `cancelled`."""
        await self._ask(addresses, Order(run_id, CancelRun()))

    async def finish_sessions(self, run_id: str, addresses: list[str]) -> Mapping[str, int]:
        """Tear down what idle pytest sessions of a run keep open; how many reports each node has sent by then."""
        answers = await self._ask(addresses, Order(run_id, FinishSessions()))
        kind: Any = int | None
        told = {address: decode(answer, kind) for address, answer in answers.items() if isinstance(answer, bytes)}
        return {address: reports for address, reports in told.items() if reports is not None}

    async def collect(self, run_id: str, address: str, spec: PytestSpec) -> Collection:
        """Have one node collect a pytest session.

        Raises:
            OSError: the node is gone.
        """
        return decode(await self._ask_for(address, encode(Order(run_id, Collect(spec)))), Collection)

    async def fetch_artifact(self, run_id: str, address: str, sha256: str, offset: int, length: int) -> bytes | None:
        """A part of a file that an attempt left on a node; None where the node does not have it.

        Raises:
            OSError: the node is gone.
        """
        answer = (await self._ask([address], Order(run_id, FetchArtifact(sha256, offset, length))))[address]
        if isinstance(answer, OSError):
            raise answer
        kind: Any = bytes | None
        data: bytes | None = decode(answer, kind)
        return data

    async def drop_artifacts(self, run_id: str, address: str, sha256s: Iterable[str]) -> None:
        """Let a node forget files."""
        await self._tell(address, Order(run_id, DropArtifacts(frozenset(sha256s))))

    async def ask_back(self, run_id: str, address: str, key: str, tests: Iterable[Key]) -> None:
        """Ask a node for tests of a dispatch that it has not begun; its answer is a `TestsGivenBack` message.

        Args:
            tests: the last ones of the dispatch, in any order.
        """
        await self._tell(address, Order(run_id, GiveBackTests(key, frozenset(tests))))

    async def no_next(self, run_id: str, address: str, answer: NoNext) -> None:
        """Tell a node that nothing is sent to follow a dispatch on its slot, where it asked that."""
        await self._tell(address, Order(run_id, answer))

    def send(self, dispatch: Dispatch, address: str, *, priority: int, on_trouble: Callable[[str, str], None]) -> None:
        """Submit a dispatch to the node at `address`, and to no other.

        Results come as messages on the run's topic; the future tells only of what kept the dispatch
        from running at all: then `on_trouble(key, why)` is called.
        """
        try:
            order = encode(Order(dispatch.run_id, dispatch))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            asyncio.get_running_loop().call_soon(on_trouble, dispatch.key, f"it cannot be sent to a node: {error}")
            return
        future = self._client.submit(
            take_dispatch,
            order,
            key=task_key(dispatch.run_id, dispatch.key),
            workers=[address],
            allow_other_workers=False,
            priority=priority,
            pure=False,
        )
        self.background.start(_watch(future, dispatch.key, on_trouble), f"waiting for dispatch {dispatch.key}")

    def send_task(self, flow: str, task: RunTask, address: str, *, key: str) -> Any:
        """Submit a task of anybody's flow to the node at `address`, and to no other; Dask's future of its answer."""
        return self._client.submit(
            take_message,
            encode(Order(flow, task)),
            key=task_key(flow, key),
            workers=[address],
            allow_other_workers=False,
            pure=False,
        )

    async def _tell(self, address: str, order: Order) -> None:
        try:
            await self._ask([address], order)
        except OSError:  # the node or the scheduler is gone, which is told elsewhere
            return
        except Exception:  # what is asked so only saves time: no run ends for it
            logger.warning("a node could not do what it was asked", exc_info=True)

    async def _ask(self, addresses: list[str], order: Order) -> Mapping[str, Any]:
        return await self._ask_all(addresses, SealedMessage(encode(order))) if addresses else {}

    async def _ask_for(self, address: str, message: bytes) -> bytes:
        answer = (await self._ask_all([address], message))[address]
        if isinstance(answer, OSError):
            raise answer
        told: bytes = answer
        return told

    async def _ask_all(self, addresses: list[str], message: bytes) -> Mapping[str, Any]:
        if self._client.scheduler is None:
            raise ConnectionError("the connection to the scheduler is closed")
        answers = dict(await asyncio.gather(*(self._ask_one(address, message) for address in addresses)))
        for answer in answers.values():
            if isinstance(answer, BaseException) and not isinstance(answer, OSError):
                raise answer
        return answers

    async def _hand_over(self, address: str, message: bytes) -> bytes:
        """Ask a node without the scheduler between, where that can be: what is much takes long enough once."""
        if self._client.scheduler is None:
            raise ConnectionError("the connection to the scheduler is closed")
        if address not in self._reached:
            self._reached[address] = await _can_connect(self._client, address)
        if not self._reached[address]:
            return await self._ask_for(address, message)
        node = self._client.rpc(address)
        data = to_serialize(memoryview(message))  # type: ignore[no-untyped-call]
        answer = await self._while_member(address, getattr(node, TAKE_DIRECTLY)(order=data))
        if isinstance(answer, OSError):
            raise answer
        told: bytes = answer
        return told

    async def _ask_one(self, address: str, message: bytes) -> tuple[str, Any]:
        run = self._client.run(take_message, message, workers=[address], on_error="return")
        answer = await self._while_member(address, run)
        return address, answer if isinstance(answer, OSError) else answer[address]

    async def _while_member(self, address: str, asking: Awaitable[Any]) -> Any:
        """The answer of a node, or the error that it is gone."""
        call: asyncio.Future[Any] = asyncio.ensure_future(asking)
        try:
            while not call.done():
                await asyncio.wait({call}, timeout=MEMBER_POLL_SECONDS)
                # Dask waits for ever for an answer of a process that is frozen, also when it has given the node up.
                if not call.done() and not self._is_member(address):
                    return ConnectionError(f"the node at {address} is gone")
        finally:
            call.cancel()
        return call.result()


async def _can_connect(client: Client, address: str) -> bool:
    """Whether this process can connect to a node at the address that the scheduler knows: where both have one machine.

    From another machine that address may be somebody else's.
    """
    if not _is_loopback(str(getattr(client.scheduler, "address", ""))):
        return False
    try:
        comm = await client.rpc.connect(address, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError):
        return False
    client.rpc.reuse(address, comm)
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(urlsplit(address).hostname or "").is_loopback
    except ValueError:
        return False


async def _watch(future: Any, key: str, on_trouble: Callable[[str, str], None]) -> None:
    # Its exception and not `await future`: there is nothing to fetch, and a fetch is a round trip to the node.
    error = await future.exception()
    if error is not None:
        on_trouble(key, f"{type(error).__name__}: {error}")
    # At once: what is held is run again when its node dies.
    future.release()
