"""Whether a worker that has registered as a node can take part, and what to say where none can."""

from __future__ import annotations

import functools
import importlib.metadata
import math
from collections.abc import Mapping
from typing import Any

from pulseq import __version__
from pulseq.bounds import MOST_COUNT
from pulseq.protocol.coding import PROTOCOL, say_protocol

#: What makes a node of a worker.
PRELOAD = "--preload pulseq.node.preload"


def find_trouble(labels: Mapping[str, Any]) -> str | None:
    """Why a node cannot take part, by what it says of itself, and what to do; None where it can."""
    if trouble := labels.get("trouble"):
        return str(trouble)
    if (protocol := labels.get("protocol")) != PROTOCOL:
        return say_protocol(protocol)
    if trouble := _find_nonsense(labels):
        return f"{trouble}; no node says so: end it there, and have the same release"
    for name, theirs, ours in (
        ("PulseQ", labels.get("version", __version__), __version__),
        ("Dask's distributed", labels.get("dask", _dask_version()), _dask_version()),
    ):
        if theirs != ours:
            return f"it has {name} {theirs}, this side {ours}; install the same there (`pulseq node install HOST`)"
    return None


def _find_nonsense(labels: Mapping[str, Any]) -> str | None:
    """What a node says of itself that cannot be."""
    slots = labels.get("slots", 1)
    if type(slots) is not int or not 1 <= slots <= MOST_COUNT:
        return f"found slots {slots!r:.20}, expected a number from 1"
    for name, value in dict(labels.get("capabilities", {})).items():
        if isinstance(value, float) and not math.isfinite(value):
            return f"found capability {name!r:.100} {value!r}, expected a finite number"
    return None


@functools.cache
def _dask_version() -> str:
    return importlib.metadata.version("distributed")


def say_strangers(count: int) -> str:
    """What is said of workers that are no nodes."""
    workers = (
        "1 worker there is no PulseQ node and gets" if count == 1 else f"{count} workers are no PulseQ nodes and get"
    )
    return f"{workers} no tests: `dask worker … {PRELOAD}` makes one of it"


def say_no_nodes(address: str, strangers: int, refused: Mapping[str, str]) -> str:
    """What is said of a scheduler that has no node which can take part."""
    has = f"the scheduler at {address!r} has no PulseQ node"
    if refused:
        told = "; ".join(f"{node_id} cannot take part: {why}" for node_id, why in sorted(refused.items()))
        return f"{has} that can run tests: {told}"
    as_worker = f"`dask worker {address} {PRELOAD}`"
    if strangers:
        return f"{has}, but {strangers} worker{'' if strangers == 1 else 's'} of others; start some there: {as_worker}"
    credentials = " --credentials FILE" if address.startswith("tls:") else ""
    return (
        f"{has}: start one, by `pulseq node start --scheduler {address}{credentials}`, or of a Dask worker, {as_worker}"
    )
