"""Tasks of anybody's flow on a node: each has a slot, and a process that is its flow run's alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Executor
from multiprocessing.connection import Connection

from pulseq.errors import InfrastructureError
from pulseq.models import Priority
from pulseq.node.node_slots import DispatchUnderWay, NodeSlots, Place
from pulseq.processes.loopback import direct_settings
from pulseq.protocol.to_node import RunTask
from pulseq.protocol.work import Dispatch

_MODULE = "pulseq.orchestration.task_process"
#: How long a process without a task may take to tell Prefect what it has to tell, and end.
_GRACE_SECONDS = 10.0


class FlowTasks:
    """Runs tasks of any number of flow runs, as many at a time as they get slots.

    Args:
        threads: as many as the node has slots; one waits for each task that runs.
    """

    def __init__(self, slots: NodeSlots, threads: Executor) -> None:
        self._slots = slots
        self._threads = threads
        self._places: dict[str, set[Place]] = {}
        self._processes: dict[str, TaskProcesses] = {}

    @property
    def running(self) -> int:
        """How many tasks have a slot."""
        return sum(place.has_slot for places in self._places.values() for place in places)

    async def run(self, flow: str, task: RunTask) -> bytes:
        """Run a task of a flow run as soon as there is a slot for it; the answer of its process.

        Raises:
            InfrastructureError: its process has ended, or the flow run has.
        """
        place = Place(DispatchUnderWay(Dispatch("", flow, (), ())), Priority.MEDIUM, flow)
        self._places.setdefault(flow, set()).add(place)
        self._slots.enter(place)
        try:
            await place.turn.wait()
            if place not in self._places.get(flow, ()):
                raise InfrastructureError("the flow run of this task has ended")
            processes = self._processes.setdefault(flow, TaskProcesses(task.setup))
            return await asyncio.get_running_loop().run_in_executor(self._threads, processes.ask, task.request)
        finally:
            self._places.get(flow, set()).discard(place)
            self._slots.leave(place)

    async def leave(self, flow: str) -> None:
        """End what is left of a flow run."""
        for place in self._places.pop(flow, ()):
            place.turn.set()
        if processes := self._processes.pop(flow, None):
            await asyncio.to_thread(processes.close)

    async def close(self) -> None:
        await asyncio.gather(*(self.leave(flow) for flow in {*self._places, *self._processes}))


class TaskProcesses:
    """The processes of one flow run on this node: one for each of its tasks that run at a time. For any thread."""

    def __init__(self, setup: bytes) -> None:
        self._setup = setup
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        self._closed = False
        self._lock = threading.Lock()

    def ask(self, request: bytes) -> bytes:
        """Have a process run a task; its answer.

        Raises:
            InfrastructureError: the process has ended instead.
        """
        with self._lock:
            if self._closed:
                raise InfrastructureError("the flow run of this task has ended")
            process = self._idle.pop() if self._idle else _Process(self._setup)
            self._busy.add(process)
        try:
            answer = process.ask(request)
        except (EOFError, OSError):
            raise InfrastructureError(f"the process of this task has ended with {process.end()}") from None
        finally:
            with self._lock:
                self._busy.discard(process)
        if not self._keep(process):
            process.end()
        return answer

    def _keep(self, process: _Process) -> bool:
        with self._lock:
            if not self._closed:
                self._idle.append(process)
            return not self._closed

    def close(self) -> None:
        """End all of them; those that have no task tell Prefect first what they have to tell."""
        with self._lock:
            self._closed = True
            processes, self._idle = [*self._busy, *self._idle], []
        for process in processes:
            process.hang_up()
        for process in processes:
            process.end()


class _Process:
    """One process, in a session of its own. It ends with its node, since that hangs up then."""

    def __init__(self, setup: bytes) -> None:
        told = json.loads(setup)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        environment = {**kept, **told["environment"]}
        places = [place for place in told["path"] if os.path.isdir(place)]
        self._socket, theirs = socket.socketpair()
        self._connection = Connection(os.dup(self._socket.fileno()))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno()), json.dumps(places)],
                env={**environment, **direct_settings(environment.get("PREFECT_API_URL", ""), environment)},
                cwd=told["directory"] if os.path.isdir(told["directory"]) else None,
                stdin=subprocess.DEVNULL,
                stdout=2,  # the node's log
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._ending = threading.Lock()

    def ask(self, request: bytes) -> bytes:
        self._connection.send_bytes(request)
        return self._connection.recv_bytes()

    def hang_up(self) -> None:
        """Have it end by itself."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> int:
        """See it end, and all of its session; its return code."""
        self.hang_up()
        with self._ending:
            if self._process.returncode is None:
                pidfd = os.pidfd_open(self._process.pid)
                select.select([pidfd], [], [], _GRACE_SECONDS)
                os.close(pidfd)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                self._connection.close()
                self._socket.close()
            return self._process.returncode
