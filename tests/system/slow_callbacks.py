"""Put on the way of Python's start as `sitecustomize`: tells of callbacks that keep an event loop of ours waiting.

As asyncio's own debugging does, but by the time that a callback has had or has slept, without the time that its
thread has waited for a processor: on a busy machine that may be any. `SLOW_CALLBACKS` names the directory of what is
told, a file for each process, a line for each callback.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

#: What asyncio would call slow is 0.1 s.
LONGEST_SECONDS = 0.25
MANY_MODULES = 200
OURS = (
    *("pulseq", "pulseq.node.node_process", "pulseq.processes.fork_process", "pulseq.cli.run_host"),
    *("pulseq.standing.standing_process", "pulseq.cluster.scheduler_process"),
)


class Clock:
    """Seconds that this thread was not waiting for a processor."""

    def __init__(self) -> None:
        self._owner = 0
        self._descriptor = -1

    def read(self) -> float:
        thread = (os.getpid() << 32) + threading.get_native_id()
        if self._owner != thread:  # a fork, or another loop's thread
            self._owner, self._descriptor = thread, os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        waited = int(os.pread(self._descriptor, 100, 0).split()[1]) / 1e9
        return time.perf_counter() - waited


def watch(place: str) -> None:
    clock = Clock()
    run: Any = asyncio.Handle._run

    def timed(handle: Any) -> None:
        before, modules = clock.read(), len(sys.modules)
        run(handle)
        took = clock.read() - before
        # A driver loads Prefect and Dask while its processes start: nobody waits for it yet.
        if took > LONGEST_SECONDS and len(sys.modules) - modules < MANY_MODULES:
            with open(f"/proc/{os.getpid()}/cmdline") as file:
                process = " ".join(file.read().split("\0")[2:])
            owner = getattr(handle._callback, "__self__", None)
            with open(os.path.join(place, str(os.getpid())), "a") as file:
                file.write(f"{took:.2f} s in {process}: {owner if isinstance(owner, asyncio.Task) else handle!r}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign]


if "SLOW_CALLBACKS" in os.environ and any(f"{name}" in sys.orig_argv for name in OURS):
    import asyncio
    import threading

    watch(os.environ["SLOW_CALLBACKS"])
