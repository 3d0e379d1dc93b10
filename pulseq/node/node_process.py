"""A node: a labelled Dask worker with its agent (`python -m pulseq.node.node_process`)."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import dask
from distributed import Worker
from distributed.threadpoolexecutor import ThreadPoolExecutor

from pulseq.errors import InfrastructureError
from pulseq.node.host_projects import HostProjects
from pulseq.node.joining import prepare_to_join
from pulseq.node.node_agent import NodeAgent
from pulseq.node.node_on_worker import NodePlan, run_node
from pulseq.node.on_its_own import on_its_own
from pulseq.ownership import make_own_directory
from pulseq.processes.child import read_configuration, tell_owner, watch_lifeline
from pulseq.protocol.connections import connection_settings
from pulseq.protocol.welcome import NotWelcomeError
from pulseq.security.credentials import Credentials
from pulseq.security.tls import security_of

#: The worker runs our coroutines and little else: no profiler, no spilling, no memory verdicts of Dask's.
WORKER_SETTINGS: dict[str, Any] = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.low-level-log-length": 50,
    "distributed.admin.tick.interval": "100ms",
    "distributed.diagnostics.nvml": False,
    "distributed.worker.http.routes": [],
}
#: More than drivers send at a time: those that run, as many that wait, what follows each; and several runs may do so.
_DISPATCHES_PER_SLOT = 100
#: How long bodies may take to be gone when the owner of the node has died.
_LAST_WILL_SECONDS = 2.5


async def serve(configuration: dict[str, Any]) -> None:
    """Run the node until its process is ended or the scheduler is gone."""
    joins = "former" in configuration  # it comes by itself, and may not be wanted
    if joins:
        try:
            configuration = await prepare_to_join(configuration)
        except InfrastructureError as error:
            tell_owner({"trouble": str(error), "refused": isinstance(error, NotWelcomeError)})
            return
    dask.config.set({**WORKER_SETTINGS, **connection_settings(configuration.get("node_timeout_seconds", 60.0))})
    plan = NodePlan(
        node_id=configuration["node_id"],
        slots=configuration["slots"],
        temp_root=Path(configuration["temp_root"]),
        capabilities=configuration["capabilities"],
        way=configuration.get("way", "local"),
        variables=configuration.get("env", {}),
        python=configuration.get("python"),
        host=configuration.get("host_name"),
        first_worker=configuration["first_worker"],
        shared=Path(configuration["shared"]),
        machine_slots=configuration["machine_slots"],
        directory=configuration.get("directory"),
        store_bytes=configuration.get("store_bytes"),
        incarnation=configuration.get("incarnation"),
    )
    projects = HostProjects(plan.directory, plan.store_bytes)
    ending = asyncio.get_running_loop(), AsyncExitStack()
    # Before there is anything to leave behind.
    watch_lifeline(lambda: _die(*ending, plan.temp_root, projects))
    make_own_directory(plan.temp_root)  # where it is not there yet Dask makes one that others may enter
    worker = Worker(
        configuration["scheduler"],
        security=security_of(Credentials.of(configuration["credentials"])),
        name=plan.node_id,
        # The agent gives the slots, since it has to know what waits for them; a user's own tasks have as many threads.
        nthreads=plan.slots * _DISPATCHES_PER_SLOT,
        executor=ThreadPoolExecutor(plan.slots, thread_name_prefix="Dask-Default-Threads"),  # type: ignore[no-untyped-call]
        host=configuration["host"],
        port=configuration["port"],
        contact_address=configuration.get("contact"),
        local_directory=str(plan.temp_root),
        memory_limit=0,
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        death_timeout=30,
        heartbeat_interval=f"{configuration['heartbeat_seconds']} s",
    )
    async with run_node(worker, plan, projects) as agent, contextlib.AsyncExitStack() as stack:
        ending[1].push_async_callback(agent.end_bodies)
        # First of all: whoever hears that bodies were ended would take that for their end, and not for their loss.
        ending[1].callback(agent.fall_silent)
        if joins:
            limit = configuration["node_timeout_seconds"]
            await stack.enter_async_context(
                on_its_own(worker, agent, limit, lambda: _die(*ending, plan.temp_root, projects))
            )
        await worker
        tell_owner({"address": worker.address})
        await asyncio.to_thread(projects.sweep)
        await _until_over(worker, agent)


async def _until_over(worker: Worker, agent: NodeAgent) -> None:
    """Until the worker has ended.

    Raises:
        InfrastructureError: something of the node has failed; its owner starts another one.
    """
    over = asyncio.ensure_future(worker.finished())  # type: ignore[no-untyped-call]
    failed = asyncio.ensure_future(agent.see_failed())
    try:
        await asyncio.wait({over, failed}, return_when=asyncio.FIRST_COMPLETED)
        if not over.done():
            await worker.close()
            raise InfrastructureError("something that this node needs has failed; its log has what")
    finally:
        failed.cancel()


def _die(loop: asyncio.AbstractEventLoop, bodies: AsyncExitStack, temp_root: Path, projects: HostProjects) -> None:
    # The owner is gone: bodies first, then what they left on the disk, then this process.
    with contextlib.suppress(Exception):
        asyncio.run_coroutine_threadsafe(bodies.aclose(), loop).result(_LAST_WILL_SECONDS)
    shutil.rmtree(temp_root, ignore_errors=True)
    projects.leave_all()


def main() -> None:
    asyncio.run(serve(read_configuration()))


if __name__ == "__main__":
    main()
