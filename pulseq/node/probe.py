"""The node's side of a probe: how its machine does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from pulseq.protocol.node_probe import PROBE_OPERATION


def answer_probes(worker: Any, directory: Path, count_running: Callable[[], int]) -> None:
    """Make a node answer probes.

    Args:
        worker: its Dask worker.
        directory: on the disk that bodies write to.
        count_running: how many dispatches the node is at.
    """

    async def answer() -> dict[str, Any]:
        return {**measure_machine(directory), "running": count_running()}

    worker.handlers[PROBE_OPERATION] = answer


def measure_machine(directory: Path) -> dict[str, Any]:
    """Load, memory and disk of this machine; what it does not tell is left out."""
    memory = psutil.virtual_memory()
    measures: dict[str, Any] = {"memory_available": memory.available, "memory_total": memory.total}
    if hasattr(os, "getloadavg"):
        measures["load"] = os.getloadavg()[0]
    try:
        disk = psutil.disk_usage(str(directory))
    except OSError:  # the directory is gone, or its disk is
        return measures
    return {**measures, "disk_free": disk.free, "disk_total": disk.total}
