"""The processes that a run starts, or finds: a Prefect server, a scheduler and nodes.

Nothing heavy is imported here: they start first, and the driver imports Prefect and Dask while they get ready.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pulseq.cluster.own_nodes import OwnNodes, load_modules
from pulseq.cluster.standing_cluster import find_cluster, use_cluster
from pulseq.fleet import Fleet
from pulseq.orchestration.api_auth import choose_auth
from pulseq.orchestration.api_server import EmbeddedServer
from pulseq.orchestration.early_server import end_loading
from pulseq.orchestration.quiet_settings import NODE_SETTINGS
from pulseq.processes.fork_process import may_be_forked
from pulseq.processes.loading import loading_much
from pulseq.processes.stopped_watch import StoppedWatch
from pulseq.run.run_options import RunOptions

#: With no more than these, processes that load side by side take turns on one.
_FEW_PROCESSORS = 2


@dataclass(frozen=True, slots=True)
class RunProcesses:
    """What a run has of its own.

    Attributes:
        server: None where it speaks to an API that is there.
        local: None where it uses a scheduler that is there.
    """

    server: EmbeddedServer | None
    local: OwnNodes | None

    @classmethod
    @contextlib.asynccontextmanager
    async def of(
        cls, fleet: Fleet, options: RunOptions, *, own_server: bool, say: Callable[[str], None]
    ) -> AsyncIterator[RunProcesses]:
        """Start the server, and make nodes ready to be started; whatever was started ends with the block.

        Args:
            say: told what is waited for, and what was done where somebody had stopped a process.
        """
        async with contextlib.AsyncExitStack() as stack:
            if options.standing:
                stack.enter_context(use_cluster(options.home))
                stack.enter_context(_keeping_keeper(options.home, say))
            server = await _start_server(stack, options, say) if own_server else None
            end_loading()  # what began to load for a run that has an API
            yield cls(server, _make_nodes(stack, fleet, options, say))

    async def load_and_start(self, *, may_fork: bool) -> None:
        """Import what drives a run, and start local nodes before, after or out of it.

        Args:
            may_fork: whether this process is the run's alone: nodes may be forked from it, which has loaded the same.
        """
        local, has_server = self.local, self.server is not None
        if local is not None:
            await local.connect_hosts()  # what takes longest, and takes nothing of this machine
        # The server takes longest: where there are few processors it is to have one of them to itself.
        at_once = not has_server or len(os.sched_getaffinity(0)) > _FEW_PROCESSORS
        fork = local is not None and may_fork and may_be_forked()
        started = local is not None and at_once and not fork
        if local is not None and started:
            await local.start()
        with loading_much():
            if fork:
                load_modules()
            importlib.import_module("pulseq.run.carrying_flow_run")
        if local is not None and not started:
            # What was imported may have brought threads of its own.
            await local.start(fork=fork and may_be_forked())


async def _start_server(
    stack: contextlib.AsyncExitStack, options: RunOptions, say: Callable[[str], None]
) -> EmbeddedServer:
    server = await EmbeddedServer.start(
        state_directory=options.home, run_directory=options.run_directory, auth=choose_auth(), say=say
    )
    stack.push_async_callback(server.stop)
    return server


def _make_nodes(
    stack: contextlib.AsyncExitStack, fleet: Fleet, options: RunOptions, say: Callable[[str], None]
) -> OwnNodes | None:
    if options.scheduler is not None:
        return None
    local = OwnNodes(
        fleet,
        run_directory=options.run_directory,
        heartbeat_seconds=fleet.framework.heartbeat_interval,
        node_timeout_seconds=fleet.framework.node_timeout,
        environment=NODE_SETTINGS,
        without_missing=options.without_missing,
    )
    local.on_note = say
    stack.push_async_callback(local.stop)
    return local


@contextlib.contextmanager
def _keeping_keeper(home: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Have the keeper of `pulseq up` continued where it is stopped: it sees to all others, and nobody to it."""
    cluster = find_cluster(home)
    if cluster is None:
        yield
        return
    note = "the keeper of `pulseq up` had been stopped by SIGSTOP and is continued"
    watch = StoppedWatch(cluster.keeper, lambda _: say(note), continuations=sys.maxsize)
    try:
        yield
    finally:
        watch.close()
