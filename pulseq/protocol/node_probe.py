"""A question to one node and its answer: how long that took, and how its machine does.

The node's side hangs on its Dask worker as an operation of its own; the asker's goes by way of the
scheduler, which reaches every node. Dask waits for ever for a frozen worker, so the asker has a limit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulseq.bounds import LAST_MOMENT, MOST_BYTES, MOST_COUNT, bound_text
from pulseq.protocol.clock_offset import ClockOffset, measure_offset

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
        leaked_processes: of its bodies, left behind by them and killed, in this life of its process.
        stray_processes: that bodies of this node's name have left behind, and nobody has killed.
        store_free, store_total: bytes of the disk that it keeps projects on, where it does.
        clock: its clock against that of whoever asked.
        lacks: what its machine lacks for tests, in words.
    """

    latency: float
    load: float | None = None
    memory_available: int | None = None
    memory_total: int | None = None
    disk_free: int | None = None
    disk_total: int | None = None
    running: int | None = None
    leaked_processes: int | None = None
    stray_processes: int | None = None
    store_free: int | None = None
    store_total: int | None = None
    clock: ClockOffset | None = None
    lacks: str | None = None


#: What of an answer is taken as it is.
MEASURES = (
    *("load", "memory_available", "memory_total", "disk_free", "disk_total", "running"),
    *("leaked_processes", "stray_processes", "store_free", "store_total"),
)
_COUNT = ((int,), MOST_COUNT)
_LACKS_CHARACTERS = 300
#: Each of these kinds, and up to that; the others are counts.
_KINDS: Mapping[str, tuple[tuple[type, ...], float]] = {
    "load": ((int, float), MOST_COUNT),
    **{name: ((int,), MOST_BYTES) for name in MEASURES if name.startswith(("memory", "disk", "store"))},
}


async def probe_node(scheduler: Any, address: str, seconds: float) -> Answer | None:
    """What the node at `address` answers; None where it has not within so many seconds.

    Args:
        scheduler: an `rpc` to the scheduler.

    Raises:
        OSError: the scheduler is gone.
    """
    asked_at, began = time.time(), time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            answers = await scheduler.broadcast(msg={"op": PROBE_OPERATION}, workers=[address], on_error="ignore")
    except TimeoutError:
        return None
    latency, answered_at = time.perf_counter() - began, time.time()
    told = answers.get(address)
    if told is None:  # it has left in between, or its connection broke
        return None
    measures = {name: told[name] for name in MEASURES if _is_measure(told.get(name), *_KINDS.get(name, _COUNT))}
    at = told.get("time")
    clock = measure_offset(asked_at, answered_at, latency, at) if _is_measure(at, (int, float), LAST_MOMENT) else None
    lacks = told.get("lacks")
    said = bound_text(lacks, _LACKS_CHARACTERS) if isinstance(lacks, str) else None
    return Answer(latency, clock=clock, lacks=said, **measures)


def _is_measure(told: Any, kinds: tuple[type, ...], most: float) -> bool:
    """Whether what a node tells can be; what cannot is as if it had said nothing."""
    return type(told) in kinds and 0 <= told <= most
