"""What a node does with what it is sent: bodies run here, messages go home.

One agent lives in each node's process, beside its Dask worker and on the same event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from distributed import Worker
from distributed.worker_state_machine import SecedeEvent

from pulseq.errors import InfrastructureError
from pulseq.execution.executor import Executor
from pulseq.node.host_projects import HostProjects
from pulseq.node.machine_failures import find_want
from pulseq.node.node_slots import GivingWay, NodeSlots
from pulseq.node.probe import Probe
from pulseq.node.run_on_node import TOLD_SECONDS, RunOnNode
from pulseq.node.surroundings import Surroundings, login_environment
from pulseq.node.task_processes import FlowTasks
from pulseq.protocol.coding import decode, encode
from pulseq.protocol.entry_points import TAKE_DIRECTLY, TaskKey, register_node, run_topic, task_key
from pulseq.protocol.from_node import NodeMessage, PrepareOutput, Report
from pulseq.protocol.project_files import Done, Lacking
from pulseq.protocol.to_node import (
    BeginRun,
    BodyVariables,
    Collect,
    FetchArtifact,
    FinishSessions,
    LeaveRun,
    MakeWorkspace,
    OfferProject,
    Order,
    PutBlobs,
    RunTask,
)
from pulseq.protocol.work import Dispatch
from pulseq.pytest_sessions import Collection

logger = logging.getLogger("pulseq.nodes")

T = TypeVar("T")


class NodeAgent:
    """Runs the dispatches of any number of runs on one node.

    `first_worker` is the number of the first of its pytest workers on this machine, `shared` where its pytest
    sessions share what they collect with other nodes there, `machine_slots` how many slots all of these have,
    `shares_worker` whether the worker has tasks of others, whose places dispatches are not to take.
    `variables` are those of all bodies here, `python` is the interpreter of those that name none.
    `projects` has what was sent of the projects of runs.

    Attributes:
        failed: set when something has died here that nobody waits for: the node is not to be relied on any more.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        node_id: str,
        slots: int,
        temp_root: Path,
        incarnation: str = "",
        first_worker: int = 0,
        shared: Path | None = None,
        machine_slots: int | None = None,
        variables: Mapping[str, str] | None = None,
        python: str | None = None,
        shares_worker: bool = False,
        projects: HostProjects | None = None,
    ) -> None:
        self.variables = variables or {}
        self.python = python
        self._shares_worker = shares_worker
        self.projects = projects or HostProjects()
        self.first_worker = first_worker
        self.shared = shared
        self.machine_slots = machine_slots or slots
        self.node_id = node_id
        self.incarnation = incarnation
        self.slots = slots
        self.node_slots = NodeSlots(slots)
        self._giving_way = GivingWay(self.node_slots, self.note_death)
        self.temp_root = temp_root
        self.executor = self._make_executor(os.environ)
        #: Of bodies that have the environment of a login, once there are some.
        self._login_executor: Executor | None = None
        self._executor_lock = asyncio.Lock()
        self.flow_tasks = FlowTasks(self.node_slots, worker.executors["default"])
        self._worker = worker
        self._runs: dict[str, RunOnNode] = {}
        #: By run: what makes it known here, and what has it forgotten, is done in the order in which it was asked.
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._leaked = 0
        self._silent = False
        #: What has died that nobody waits for, once something has.
        self._failure: str | None = None
        self.failed = asyncio.Event()
        self._probe = Probe(node_id, temp_root, self._tell_work, lambda: self.projects.place)
        self._probe.background.on_death = self.note_death

    async def start(self) -> None:
        """Make the node able to run bodies; from here on drivers reach it."""
        await self.executor.start()
        self.projects.prepare_with(
            self._surround, self.temp_root, lambda run_id, line: self.send(run_id, [PrepareOutput(line)])
        )
        register_node(self)
        self._worker.handlers[TAKE_DIRECTLY] = self.take
        self._probe.hang_on(self._worker)

    def _tell_work(self) -> dict[str, Any]:
        told = {"running": self.dispatches, "leaked_processes": self._leaked}
        lacking = [run.want.lacking for run in self._runs.values() if run.want.lacking]
        return told | {"lacks": lacking[0] if lacking else find_want(self.temp_root)}

    def note_leaked(self, processes: int) -> None:
        """So many processes that a body left behind were killed."""
        self._leaked += processes

    def note_death(self, name: str, error: BaseException) -> None:
        """Something has died that nobody waits for: all who have tests here hear of it, and new runs are refused."""
        self._failure = f"{name} has failed there with {type(error).__name__}: {error}"
        logger.error("%s", self._failure, exc_info=error)
        for run in self._runs.values():
            run.tell_failure(self._failure)
        self.failed.set()

    async def see_failed(self) -> None:
        """Until something has failed, and it was told: what is cut off now is lost with the node, and not cancelled."""
        await self.failed.wait()
        await asyncio.sleep(TOLD_SECONDS)
        self.fall_silent()

    def _make_executor(self, environment: Mapping[str, str]) -> Executor:
        return Executor(
            node_id=self.node_id,
            temp_root=self.temp_root,
            call_python=self.python,
            environment={**environment, **self.variables},
        )

    async def _surround(self, bodies: BodyVariables) -> tuple[Executor, Surroundings]:
        around = Surroundings.of(bodies, self.variables)
        return await self.executor_for(around), around

    async def executor_for(self, surroundings: Surroundings) -> Executor:
        """What runs bodies that have these surroundings."""
        if not surroundings.like_a_login:
            return self.executor
        async with self._executor_lock:
            if self._login_executor is None:
                executor = self._make_executor(login_environment(os.environ))
                await executor.start()
                self._login_executor = executor
        return self._login_executor

    async def end_bodies(self) -> None:
        """End all that the executors have running, and their processes."""
        executors = [executor for executor in (self.executor, self._login_executor) if executor is not None]
        await asyncio.gather(*(executor.close() for executor in executors))

    @property
    def dispatches(self) -> int:
        """How many slots are in use."""
        return sum(run.dispatches for run in self._runs.values()) + self.flow_tasks.running

    def awaits_artifacts(self, within_seconds: float) -> bool:
        """Whether a driver is still to fetch what attempts left here, and has heard of it or asked for it just now."""
        return any(run.awaits_artifacts(within_seconds) for run in self._runs.values())

    async def take(self, order: bytes | memoryview) -> bytes:
        """Do what a message of a driver asks, and answer it.

        Raises:
            ProtocolError: it is none that this node understands.
        """
        asked = decode(order, Order)
        return encode(await self._do(asked.run_id, asked))

    async def _do(self, run_id: str, asked: Order) -> Collection | bytes | Lacking | Done | int | None:
        match asked.message:
            case BeginRun() as begin:
                await self._begin_run(run_id, begin)
            case OfferProject() as offer:
                async with self._in_order(run_id):
                    return await self.projects.do(run_id, offer)
            case PutBlobs() | MakeWorkspace() as message:
                return await self.projects.do(run_id, message)
            case Dispatch() as dispatch:
                if self._shares_worker:
                    self._make_way(task_key(run_id, dispatch.key))
                await self._runs[run_id].handle(dispatch)
                if self._silent:  # that it is over is not to be known either: this process ends in a moment
                    await asyncio.get_running_loop().create_future()
            case Collect(spec):
                if (known := self._runs.get(run_id)) is None:
                    raise ConnectionError(f"node {self.node_id} does not know run {run_id}")
                return await known.collect(spec)
            case RunTask() as task:
                return await self.flow_tasks.run(run_id, task)
            case FetchArtifact(sha256, offset, length):
                run = self._runs.get(run_id)
                return await run.read_artifact(sha256, offset, length) if run else None
            case FinishSessions():
                run = self._runs.get(run_id)
                return await run.finish_sessions() if run else None
            case LeaveRun():
                await self._leave_run(run_id)
            case message if run := self._runs.get(run_id):  # a node that has just come knows of no such run
                await run.do(message)
        return None

    def _make_way(self, key: TaskKey) -> None:
        # As `distributed.secede` does for a task in a thread: it waits for a slot of ours and not for one of Dask's.
        self._worker.handle_stimulus(SecedeEvent(key=key, compute_duration=0.0, stimulus_id=f"pulseq-{key[2]}"))

    async def _begin_run(self, run_id: str, begin: BeginRun) -> None:
        if self._failure is not None:
            raise InfrastructureError(self._failure)
        around, workspace = Surroundings.of(begin.bodies, self.variables), begin.workspace
        async with self._in_order(run_id):
            paths = await self.projects.begin(run_id, workspace, around.environment) if workspace is not None else None
            if run_id not in self._runs:
                self._runs[run_id] = RunOnNode(self, run_id, around, paths)
            await self._runs[run_id].open()

    async def _leave_run(self, run_id: str) -> None:
        async with self._in_order(run_id):
            await self.flow_tasks.leave(run_id)
            if run := self._runs.pop(run_id, None):
                await run.close()
            await self.projects.leave(run_id)

    def _in_order(self, run_id: str) -> asyncio.Lock:
        return self._changing.setdefault(run_id, asyncio.Lock())

    def send(self, run_id: str, messages: list[NodeMessage]) -> None:
        """Hand messages to the driver of a run, by way of the scheduler."""
        if self._silent or self._worker.status.name == "closing":
            return  # Dask has cut off what was running: that is lost with the node, and has no verdict
        report = Report(self.node_id, self.incarnation, tuple(messages))
        self._worker.log_event(run_topic(run_id), {"report": encode(report)})

    def fall_silent(self) -> None:
        """Say nothing more: what is cut off from here on is lost with the node, and is run elsewhere."""
        self._silent = True

    async def leave_runs(self) -> None:
        """Tear down what idle pytest sessions keep open, tell all that is to be told, and forget all runs."""
        for run_id, run in list(self._runs.items()):
            await run.finish_sessions()
            await self._leave_run(run_id)

    async def close(self) -> None:
        await self._giving_way.close()
        for run_id in list(self._runs):
            await self._leave_run(run_id)
        await self.flow_tasks.close()
        await self.end_bodies()
        await self._probe.background.end()
