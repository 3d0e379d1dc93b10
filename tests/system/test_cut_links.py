"""A link between machines that is cut for less and for more than `node_timeout`: what Dask and a node make of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import dask
import pytest
from distributed import Scheduler, SchedulerPlugin

from pulseq.cluster.scheduler_process import SCHEDULER_SETTINGS
from pulseq.protocol.connections import connection_settings
from tests.hosts.host import Host
from tests.hosts.lab import Lab

NODE_TIMEOUT = 24.0
SHORT_TIMEOUT = 6.0
#: Dask's own limit of a connection, half a minute elsewhere; less it takes from nobody.
DASKS_OWN = {"distributed.comm.timeouts.tcp": "11 s"}
#: Longer than that limit.
CUT_SECONDS = 14.0
#: A worker of Dask's with what a node has for its link; it logs a number every tenth of a second.
WORKER = """\
import asyncio, itertools, json, sys, tempfile
import dask
from distributed import Worker
from pulseq.node.node_process import WORKER_SETTINGS
from pulseq.node.silence import Silence
from pulseq.protocol.connections import connection_settings

async def main(scheduler, host, node_timeout, dasks_own):
    dask.config.set({**json.loads(dasks_own), **WORKER_SETTINGS, **connection_settings(node_timeout)})
    worker = Worker(scheduler, host=host, name="n", nthreads=1, memory_limit=0, dashboard=False,
                    dashboard_address=":0", local_directory=tempfile.mkdtemp())
    silence = Silence(node_timeout, lambda: print("silent", flush=True))
    silence.follow(worker)
    async with worker:
        print("there", flush=True)
        watching = asyncio.create_task(silence.watch())
        for number in itertools.count():
            worker.log_event("numbers", number)
            await asyncio.sleep(0.1)

asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]))
"""


@dataclass
class Notes(SchedulerPlugin):
    """What the scheduler was told, and why workers left."""

    name: str = "notes"
    numbers: list[int] = field(default_factory=list)
    departures: list[str] = field(default_factory=list)

    def log_event(self, topic: str, msg: Any) -> None:
        if topic == "numbers":
            self.numbers.append(msg)

    def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **_: Any) -> None:
        self.departures.append(stimulus_id)


@dataclass
class Site:
    """A scheduler here and a worker of it on the host."""

    host: Host
    scheduler: Any
    notes: Notes
    worker: subprocess.Popen[str]

    def line(self) -> str:
        """What the worker says next."""
        assert self.worker.stdout is not None
        return self.worker.stdout.readline().strip()

    @property
    def silent_seconds(self) -> float:
        """How long the scheduler has heard no heartbeat."""
        (state,) = self.scheduler.workers.values()
        return time.time() - float(state.last_seen)

    async def until_heard(self) -> None:
        async with asyncio.timeout(120):
            while self.silent_seconds > 1.0:  # noqa: ASYNC110 it has no other way to tell
                await asyncio.sleep(0.05)

    async def until_told(self, number: int) -> None:
        async with asyncio.timeout(120):
            while not self.notes.numbers or self.notes.numbers[-1] < number:  # noqa: ASYNC110 as there
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def opened(hosts: Lab, node_timeout: float) -> AsyncIterator[Site]:
    (host,) = hosts(1)
    settings = {**DASKS_OWN, **SCHEDULER_SETTINGS, **connection_settings(node_timeout)}
    with dask.config.set({**settings, "distributed.scheduler.worker-ttl": f"{node_timeout} s"}):
        async with Scheduler(host=hosts.address, port=0, dashboard=False, dashboard_address="127.0.0.1:0") as scheduler:
            notes = Notes()
            scheduler.add_plugin(notes)
            told = [scheduler.address, host.address, str(node_timeout), json.dumps(DASKS_OWN)]
            with host.start([sys.executable, "-c", WORKER, *told]) as worker:
                site = Site(host, scheduler, notes, worker)
                try:
                    assert await asyncio.to_thread(site.line) == "there"
                    yield site
                finally:
                    host.heal()
                    worker.kill()


@pytest.mark.slow
def test_a_cut_that_is_shorter_than_node_timeout_loses_nothing_and_nobody(hosts: Lab) -> None:
    async def story() -> None:
        async with opened(hosts, NODE_TIMEOUT) as site:
            await site.until_told(3)
            site.host.cut()
            await asyncio.sleep(CUT_SECONDS)
            before = site.notes.numbers[-1]
            site.host.heal()
            await site.until_heard()
            # All that was said meanwhile comes, each once and in its order.
            await site.until_told(before + 100)
            assert site.notes.numbers == list(range(site.notes.numbers[-1] + 1))
            assert site.notes.departures == []

    asyncio.run(story())


@pytest.mark.slow
def test_a_node_whose_link_is_cut_for_longer_notices_by_itself(hosts: Lab) -> None:
    async def story() -> None:
        async with opened(hosts, SHORT_TIMEOUT) as site:
            await site.until_told(3)
            site.host.cut()
            async with asyncio.timeout(120):
                assert await asyncio.to_thread(site.line) == "silent"
            async with asyncio.timeout(120):
                while not site.notes.departures:  # noqa: ASYNC110 as there
                    await asyncio.sleep(0.05)
            assert site.notes.departures[0].startswith("check-worker-ttl")

    asyncio.run(story())
