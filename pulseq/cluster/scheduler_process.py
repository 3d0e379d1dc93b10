"""A Dask scheduler in a process of its own (`python -m pulseq.cluster.scheduler_process`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import dask
import msgspec
from distributed import Scheduler

from pulseq import __version__
from pulseq.background import Background
from pulseq.cluster.mark_store import MarkStore
from pulseq.cluster.node_watch import NodeWatch
from pulseq.cluster.run_watch import RunWatch
from pulseq.processes.child import read_configuration, tell_owner, watch_lifeline
from pulseq.processes.clock_steps import ClockSteps, go_on
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.connections import connection_settings
from pulseq.protocol.welcome import WELCOME_KEY, NodeWords, Welcome
from pulseq.security.authority import make_credentials
from pulseq.security.credentials import Credentials
from pulseq.security.tls import ClusterSecurity

#: Retries are PulseQ's to count, so a lost worker must never make Dask judge a task (its `KilledWorker`
#: befalls tasks that never ran); stealing and memory management would move what is pinned to a node.
SCHEDULER_SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 1_000_000,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.validate": False,
    "distributed.admin.low-level-log-length": 50,
    "distributed.admin.tick.interval": "100ms",
    "distributed.diagnostics.nvml": False,
    "distributed.comm.retry.count": 0,
    "distributed.scheduler.http.routes": [],
}
#: The address that stands for all of a machine; what `::` stands for are those of IPv6 alone.
EVERYWHERE = "0.0.0.0"


async def serve(configuration: dict[str, Any]) -> None:
    """Run the scheduler until the process is ended."""
    worker_ttl = configuration["worker_ttl_seconds"]
    # Nodes share in there what they need not do twice on one machine.
    Path(configuration["temp_root"]).mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {**SCHEDULER_SETTINGS, **connection_settings(worker_ttl)}
    settings["distributed.scheduler.worker-ttl"] = f"{worker_ttl} s"
    dask.config.set({**settings, "temporary-directory": configuration["temp_root"]})
    # Made here, where Dask has loaded most of what that takes, and told over the owner's own line.
    credentials = Credentials.of(configuration.get("credentials")) or make_credentials("pulseq cluster")
    security = ClusterSecurity(credentials)
    # Everybody of this machine has the one address, whatever others have.
    listen = configuration.get("listen")
    async with Scheduler(
        host=EVERYWHERE if listen == EVERYWHERE else "127.0.0.1",
        port=configuration["port"],
        protocol="tls://",
        security=security,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    ) as scheduler:
        scheduler.add_plugin(NodeWatch(scheduler))
        heartbeat_seconds = configuration.get("heartbeat_seconds", worker_ttl / 3)
        words = msgspec.convert(configuration.get("nodes", {}), dict[str, NodeWords])
        welcome = Welcome(__version__, PROTOCOL, worker_ttl, heartbeat_seconds, words)
        scheduler.set_metadata([WELCOME_KEY], msgspec.to_builtins(welcome))
        if configuration.get("outlives_runs"):
            scheduler.add_plugin(RunWatch())
        address = f"tls://127.0.0.1:{scheduler.port}"
        if listen not in (None, "127.0.0.1", EVERYWHERE):
            host = f"[{listen}]" if ":" in listen else listen  # one of IPv6
            await scheduler.listen(f"tls://{host}:{scheduler.port}", **security.get_listen_args("scheduler"))
        told = {"address": address, "credentials": credentials.told()}
        if marks := configuration.get("marks"):
            store = MarkStore(scheduler, Path(marks))
            if note := store.load():
                told["note"] = note
            scheduler.add_plugin(store)
        background = Background()
        background.start(ClockSteps().watch(lambda step: _go_on(scheduler, step)), "watching the clock")
        tell_owner(told)
        try:
            await scheduler.finished()
        finally:
            await background.end()


def _go_on(scheduler: Scheduler, step: float) -> None:
    for state in scheduler.workers.values():
        state.last_seen += step
    go_on([*scheduler.stream_comms.values(), *scheduler.client_comms.values()], scheduler.periodic_callbacks)


def _remove(directory: str) -> None:
    # By another name: what nodes still write to the old one fails, and cannot keep it from being empty.
    doomed = f"{directory}.ended"
    with contextlib.suppress(OSError):
        os.rename(directory, doomed)
    for name in (doomed, directory):
        shutil.rmtree(name, ignore_errors=True)


def _allow_connections() -> None:
    """Hundreds of nodes have more connections than files may be open by default; bodies are none of this process's."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    configuration = read_configuration()
    watch_lifeline(lambda: _remove(configuration["temp_root"]))
    _allow_connections()
    asyncio.run(serve(configuration))


if __name__ == "__main__":
    main()
