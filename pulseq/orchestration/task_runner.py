"""Prefect's task runner for labelled nodes, for anybody's flow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import RunInput, State
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect_dask.client import PrefectDaskClient
from prefect_dask.task_runners import DaskTaskRunner

from pulseq.cluster.node_queue import NodeQueue
from pulseq.cluster.scheduler_address import credentials_for, known_scheduler
from pulseq.orchestration.submitted_task import FlowInTasks, SubmittedTask, state_from
from pulseq.ownership import default_home
from pulseq.processes.loop_thread import LoopThread
from pulseq.protocol.to_node import RunTask
from pulseq.security.credentials import Credentials
from pulseq.security.tls import security_of


class NodeTaskRunner(DaskTaskRunner):
    """Runs the tasks of a flow on PulseQ nodes, each on one that has what it `requires`.

    A task goes to a slot that is free, of a node that fits; it shares the slots with test suites that run there.
    Where no node fits its task run fails at once, and says which node comes nearest. Each flow run has processes of
    its own on the nodes, one for each task that runs at a time, which have the flow's settings of Prefect.

    What the stock runner does at every submit, serialising settings and flow context (about 70 ms) and
    rebuilding them on the worker, happens here once for a flow run and process.

    Args:
        scheduler: address of the Dask scheduler that the nodes have joined, as `tcp://127.0.0.1:8786`; None is
            that of `pulseq up` in the current state directory.
        credentials: a file with those of the scheduler's cluster; None is the one that `PULSEQ_CREDENTIALS` names.
            That of `pulseq up` needs none.
    """

    __test__ = False

    def __init__(self, scheduler: str | None = None, credentials: str | Path | None = None) -> None:
        super().__init__(address=scheduler)
        self._credentials_path = credentials
        self._loop = LoopThread(self._close)
        self._queue: NodeQueue | None = None
        self._flow: FlowInTasks | None = None

    def duplicate(self) -> NodeTaskRunner:
        """Another one for the same nodes."""
        return type(self)(self.address, self._credentials_path)

    def submit(  # type: ignore[override]  # its calls wait here, and not at Dask
        self,
        task: Task[Any, Any],
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectConcurrentFuture[Any]:
        """Have a node run a task.

        Raises:
            UsageError: there is no scheduler to be found.
            InfrastructureError: the scheduler does not answer.
        """
        if not self._started:
            raise RuntimeError("The task runner must be started before submitting work.")
        submitted = SubmittedTask.of(task, parameters, wait_for, dependencies, self._reach_nodes())
        return PrefectConcurrentFuture(submitted.id, self._loop.submit(self._carry_out(submitted)))

    def _reach_nodes(self) -> FlowInTasks:
        if self._flow is None:
            self._find_scheduler()
            flow = FlowInTasks.current()
            queue = NodeQueue(flow.id)
            self._loop.submit(queue.open(*self._find_scheduler())).result()
            self._queue, self._flow = queue, flow
        return self._flow

    def _find_scheduler(self) -> tuple[str, Credentials | None]:
        home = default_home()
        self.address = self.address or known_scheduler(home, other="scheduler=")
        path = Path(self._credentials_path) if self._credentials_path else None
        return self.address, credentials_for(home, self.address, path)

    @property
    def client(self) -> PrefectDaskClient:
        """A client of the scheduler, as of any `DaskTaskRunner`; what it is given goes to any node, labels or not."""
        _, credentials = self._find_scheduler()
        if credentials is not None:
            self.client_kwargs.setdefault("security", security_of(credentials))
        return super().client

    async def _carry_out(self, submitted: SubmittedTask) -> State[Any]:
        assert self._queue is not None
        try:
            for upstream in submitted.upstream:
                await _end_of(upstream)
            task = RunTask(submitted.flow.setup, await asyncio.to_thread(submitted.pack))
            answer = await self._queue.call(submitted.requirements, task)
            return await asyncio.to_thread(state_from, answer)
        except Exception as error:  # noqa: BLE001 - whatever has kept it from running
            return await asyncio.to_thread(submitted.end_here, error)

    async def _close(self) -> None:
        if self._queue is not None:
            await self._queue.close()

    def __exit__(self, *args: Any) -> None:
        self._loop.leave_and_join()
        super().__exit__(*args)


async def _end_of(future: PrefectFuture[Any]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def note(_: PrefectFuture[Any]) -> None:
        loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(note)
    await ended.wait()
