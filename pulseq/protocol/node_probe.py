"""A question to one node and its answer: how long that took, and how its machine does.

The node's side hangs on its Dask worker as an operation of its own; the asker's goes by way of the
scheduler, which reaches every node. Dask waits for ever for a frozen worker, so the asker has a limit.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

#: The name of the operation on a node's worker.
PROBE_OPERATION = "pulseq_probe"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node said.

    Attributes:
        latency: seconds from the question to the answer, the way by the scheduler included.
        load: its machine's load average over a minute.
        memory_available, memory_total: bytes of its machine.
        disk_free, disk_total: bytes of the disk that bodies have their temporary directories on.
        running: dispatches that it is at.
    """

    latency: float
    load: float | None = None
    memory_available: int | None = None
    memory_total: int | None = None
    disk_free: int | None = None
    disk_total: int | None = None
    running: int | None = None


_MEASURES = ("load", "memory_available", "memory_total", "disk_free", "disk_total", "running")


async def probe_node(scheduler: Any, address: str, seconds: float) -> Answer | None:
    """What the node at `address` answers; None where it has not within so many seconds.

    Args:
        scheduler: an `rpc` to the scheduler.

    Raises:
        OSError: the scheduler is gone.
    """
    began = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            answers = await scheduler.broadcast(msg={"op": PROBE_OPERATION}, workers=[address], on_error="ignore")
    except TimeoutError:
        return None
    told = answers.get(address)
    if told is None:  # it has left in between, or its connection broke
        return None
    return Answer(time.perf_counter() - began, **{name: told[name] for name in _MEASURES if name in told})
