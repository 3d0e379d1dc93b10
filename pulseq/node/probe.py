"""The node's side of a probe: how its machine does."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from pulseq.background import Background
from pulseq.node.stray_processes import count_strays
from pulseq.protocol.node_probe import PROBE_OPERATION

#: What processes there are is looked at so often, and only where somebody asks: all of the machine are read.
STRAYS_EVERY_SECONDS = 15.0


class Probe:
    """Answers probes of one node.

    Args:
        node_id: what bodies of this node are told as its name.
        directory: on the disk that bodies write to.
        tell_work: what the node is at, by the names that an answer has.
        find_store: the directory that it keeps projects in; None where it has none.
    """

    def __init__(
        self,
        node_id: str,
        directory: Path,
        tell_work: Callable[[], Mapping[str, Any]],
        find_store: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._node_id = node_id
        self._directory = directory
        self._tell_work = tell_work
        self._find_store = find_store
        self._strays: int | None = None
        self._counted_at = -STRAYS_EVERY_SECONDS
        self.background = Background()

    def hang_on(self, worker: Any) -> None:
        """Answer what this Dask worker is asked."""
        worker.handlers[PROBE_OPERATION] = self.answer

    async def answer(self) -> dict[str, Any]:
        """All that is known at once: the one who asks measures the way."""
        if time.monotonic() - self._counted_at >= STRAYS_EVERY_SECONDS:
            self._counted_at = time.monotonic()
            self.background.start(self._count_strays(), "counting processes that bodies left behind")
        told = {**measure_machine(self._directory), **self._tell_work()}
        if self._strays is not None:
            told["stray_processes"] = self._strays
        if (store := self._find_store()) is not None:
            told |= measure_disk(store, "store")
        return {**told, "time": time.time()}

    async def _count_strays(self) -> None:
        self._strays = await asyncio.to_thread(count_strays, self._node_id)


def measure_machine(directory: Path) -> dict[str, Any]:
    """Load, memory and disk of this machine; what it does not tell is left out."""
    memory = psutil.virtual_memory()
    measures: dict[str, Any] = {"memory_available": memory.available, "memory_total": memory.total}
    if hasattr(os, "getloadavg"):
        measures["load"] = os.getloadavg()[0]
    return measures | measure_disk(directory, "disk")


def measure_disk(directory: Path, name: str) -> dict[str, int]:
    """Free and all bytes of the disk that a directory is on; nothing where that is gone."""
    try:
        disk = psutil.disk_usage(str(directory))
    except OSError:  # the directory is gone, or its disk is
        return {}
    return {f"{name}_{what}": size for what, size in (("free", disk.free), ("total", disk.total))}
