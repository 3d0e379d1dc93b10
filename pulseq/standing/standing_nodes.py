"""What the scheduler knows of the nodes that stand, asked without joining it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulseq.cluster.standing_cluster import StandingCluster, find_credentials
from pulseq.errors import InfrastructureError
from pulseq.marks import NodeMark
from pulseq.models import CapabilityValue
from pulseq.protocol.node_probe import Answer, probe_node
from pulseq.security.credentials import Credentials

_PATIENCE_SECONDS = 5.0
#: How long nodes may take to say how they do: whoever looks is waiting.
_PROBE_SECONDS = 1.0
_LABELS = ("host", "way", "version", "python", "protocol", "incarnation")
#: Each probe is a connection to the scheduler for as long as it lasts.
_PROBES_AT_ONCE = 64
_POLL_SECONDS = 0.2


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


async def ask_nodes(
    address: str, credentials: Credentials | None = None, *, probed: bool = True
) -> dict[str, NodeView]:
    """The nodes of the scheduler at `address`, by id.

    Args:
        credentials: of its cluster; None where it has none.
        probed: whether each is asked how it does.

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
        asked = nodes if probed else ()
        answers = dict(zip(asked, await asyncio.gather(*(_probe(scheduler, one, few) for one in asked)), strict=True))
    except (OSError, TimeoutError) as error:
        raise InfrastructureError(f"the scheduler at {address!r} does not answer ({type(error).__name__})") from error
    finally:
        await scheduler.close_rpc()
    return {
        worker["pulseq"]["id"]: view_node(worker, processing.get(place, ()), answers.get(place))
        for place, worker in nodes.items()
    }


async def ask_nodes_and_marks(
    address: str, credentials: Credentials | None = None
) -> tuple[dict[str, NodeView], dict[str, NodeMark]]:
    """The nodes of the scheduler at `address`, and what is said of nodes that are there or not, each by id.

    Raises:
        InfrastructureError: it does not answer.
    """
    from pulseq.cluster.health import reach_scheduler
    from pulseq.cluster.marks import read_marks

    async with reach_scheduler(address, credentials) as scheduler:
        return await ask_nodes(address, credentials), await read_marks(scheduler)


async def _probe(scheduler: Any, address: str, few: asyncio.Semaphore) -> Answer | None:
    async with few:
        return await probe_node(scheduler, address, _PROBE_SECONDS)


def wait_for_joining(home: Path, cluster: StandingCluster, say: Callable[[str], None]) -> None:
    """Wait `node_timeout` for the nodes of a fleet that join by themselves; told is for whom, and who has not come."""
    awaited = [spec.id for spec in cluster.fleet.nodes if spec.joins]
    if not awaited:
        return
    patience = cluster.fleet.framework.node_timeout
    say(f"waiting for {', '.join(awaited)} to join, for up to {patience:g} s")
    missing = asyncio.run(_wait_for(awaited, cluster.scheduler, find_credentials(home), patience))
    if missing:
        say(f"not there yet: {', '.join(missing)}; `pulseq node start` there lets them join at any time")


async def _wait_for(
    awaited: Sequence[str], address: str, credentials: Credentials | None, patience_seconds: float
) -> list[str]:
    """Those that have not come in time."""
    missing = list(awaited)
    with contextlib.suppress(TimeoutError, InfrastructureError):
        async with asyncio.timeout(patience_seconds):
            while True:
                there = await ask_nodes(address, credentials, probed=False)
                missing = [node_id for node_id in missing if node_id not in there]
                if not missing:
                    break
                await asyncio.sleep(_POLL_SECONDS)
    return missing


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
