"""What the scheduler knows of the nodes that stand, asked without joining it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulseq.errors import InfrastructureError
from pulseq.models import CapabilityValue
from pulseq.protocol.node_probe import Answer, probe_node
from pulseq.security.credentials import Credentials

_PATIENCE_SECONDS = 5.0
#: How long nodes may take to say how they do: whoever looks is waiting.
_PROBE_SECONDS = 1.0
_LABELS = ("host", "way", "version", "python", "protocol", "incarnation")
#: Each probe is a connection to the scheduler for as long as it lasts.
_PROBES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as its scheduler sees it.

    Attributes:
        runs: the ids of the runs that have something there.
        dispatches: how many dispatches are there, running or next in line.
        last_seen: Unix seconds of its last heartbeat.
        labels: what else it says of itself: host, versions, the way in which it came.
        answer: to a probe, or None where there was none in time.
    """

    slots: int
    capabilities: Mapping[str, CapabilityValue]
    runs: tuple[str, ...]
    dispatches: int
    last_seen: float
    labels: Mapping[str, Any] = field(default_factory=dict)
    answer: Answer | None = None

    @property
    def running(self) -> int:
        """How many dispatches have a slot: a node gives each of its slots to one as long as one is there."""
        return min(self.dispatches, self.slots)

    @property
    def waiting(self) -> int:
        """How many dispatches stand in line for a slot."""
        return self.dispatches - self.running


async def ask_nodes(address: str, credentials: Credentials | None = None) -> dict[str, NodeView]:
    """The nodes of the scheduler at `address`, by id.

    Args:
        credentials: of its cluster; None where it has none.

    Raises:
        InfrastructureError: it does not answer.
    """
    # Half a second that `pulseq status --help` need not wait for.
    from distributed import rpc

    from pulseq.security.tls import connection_args

    scheduler: Any = rpc(address, connection_args=connection_args(credentials))  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            identity = await scheduler.identity(n_workers=-1)
            processing = await scheduler.processing(workers=None)
        nodes = {place: worker for place, worker in identity["workers"].items() if "pulseq" in worker}
        few = asyncio.Semaphore(_PROBES_AT_ONCE)
        answers = await asyncio.gather(*(_probe(scheduler, place, few) for place in nodes))
    except (OSError, TimeoutError) as error:
        raise InfrastructureError(f"the scheduler at {address!r} does not answer ({type(error).__name__})") from error
    finally:
        await scheduler.close_rpc()
    return {
        worker["pulseq"]["id"]: view_node(worker, processing.get(place, ()), answer)
        for (place, worker), answer in zip(nodes.items(), answers, strict=True)
    }


async def _probe(scheduler: Any, address: str, few: asyncio.Semaphore) -> Answer | None:
    async with few:
        return await probe_node(scheduler, address, _PROBE_SECONDS)


def view_node(worker: Mapping[str, Any], keys: Any, answer: Answer | None = None) -> NodeView:
    """The node that a worker's identity, the keys of its tasks and its answer tell of."""
    labels = worker["pulseq"]
    # A dispatch's key is ("pulseq-test", run id, its own); other tasks are none of ours.
    runs = [key[1] for key in keys if isinstance(key, tuple | list) and key[0] == "pulseq-test"]
    return NodeView(
        slots=labels["slots"],
        capabilities=labels["capabilities"],
        runs=tuple(dict.fromkeys(runs)),
        dispatches=len(runs),
        last_seen=worker["last_seen"],
        labels={name: labels[name] for name in _LABELS if name in labels},
        answer=answer,
    )
