"""One look at all nodes of a cluster, by way of its scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from distributed import rpc

from pulseq.errors import InfrastructureError
from pulseq.protocol.node_probe import Answer, probe_node
from pulseq.security.credentials import Credentials
from pulseq.security.tls import connection_args

#: How long a scheduler may take to say who is there.
_PATIENCE_SECONDS = 10.0
#: What of a node's labels a look tells.
TOLD = ("incarnation", "host", "version", "python", "protocol")
#: Each is a connection to the scheduler for as long as it lasts.
PROBES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Sighting:
    """A member of the cluster.

    Attributes:
        heartbeat_age: seconds since the scheduler last heard of it, between two machines' clocks where it is elsewhere.
        last_seen: when that was, in Unix seconds of the scheduler's clock; None where that is not known.
        answer: to the probe, or None where there was none in time.
        incarnation: which start of its process it is; None where it does not say.
        host, version, python, protocol: what it says of itself; None as there.
    """

    node_id: str
    address: str
    slots: int
    heartbeat_age: float
    answer: Answer | None
    incarnation: str | None = None
    host: str | None = None
    version: str | None = None
    python: str | None = None
    protocol: int | None = None
    last_seen: float | None = None


@contextlib.asynccontextmanager
async def reach_scheduler(address: str, credentials: Credentials | None = None) -> AsyncIterator[Any]:
    """A way to ask the scheduler at `address` that does not make a client of who asks."""
    scheduler: Any = rpc(address, connection_args=connection_args(credentials))  # type: ignore[no-untyped-call]
    try:
        yield scheduler
    finally:
        await scheduler.close_rpc()


async def look_at_nodes(
    scheduler: Any, *, probe_seconds: float, clock: Callable[[], float] = time.time
) -> list[Sighting]:
    """All nodes that are members, each asked for an answer within `probe_seconds`; other workers are left out.

    Raises:
        InfrastructureError: the scheduler does not answer.
    """
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            identity = await scheduler.identity(n_workers=-1)
        now = clock()
        nodes = {address: worker for address, worker in identity["workers"].items() if "pulseq" in worker}
        few = asyncio.Semaphore(PROBES_AT_ONCE)
        answers = await asyncio.gather(*(_probe(scheduler, address, probe_seconds, few) for address in nodes))
    except (OSError, TimeoutError, ValueError) as error:  # the last for what is no address at all
        raise InfrastructureError(f"the scheduler does not answer ({type(error).__name__})") from error
    return [
        Sighting(
            worker["pulseq"]["id"],
            address,
            worker["pulseq"]["slots"],
            max(now - worker["last_seen"], 0.0),
            answer,
            **{name: worker["pulseq"].get(name) for name in TOLD},
            last_seen=worker["last_seen"],
        )
        for (address, worker), answer in zip(nodes.items(), answers, strict=True)
    ]


async def _probe(scheduler: Any, address: str, seconds: float, few: asyncio.Semaphore) -> Answer | None:
    async with few:
        return await probe_node(scheduler, address, seconds)
