"""A process on a node that runs the tasks of one flow run, one after the other (`python -m …task_process FD PATHS`).

Of its own, for what a user's code does to a process is not to be done to a node: it ends, hangs, imports, logs. It is
a Prefect process as any other, which tells the API of its task runs itself. Tasks run in its main thread, where
Prefect can end one that is not async at its timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.context import SyncClientContext, hydrated_context
from prefect.task_engine import run_task_async, run_task_sync

from pulseq.errors import InfrastructureError

Answer = State[Any] | Exception


class TaskProcess:
    """Answers requests until its node hangs up; a task that runs then is ended at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._working = threading.Event()
        self._stack = ExitStack()
        self._client: Any = None

    def serve(self) -> None:
        """Answer one request after the other."""
        threading.Thread(target=self._listen, name="pulseq-requests", daemon=True).start()
        with self._stack:
            while (request := self._requests.get()) is not None:
                self._working.set()
                answer = _pickle(self._answer(request))
                self._working.clear()
                with contextlib.suppress(OSError):  # it has hung up, which the listener tells
                    self._connection.send_bytes(answer)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._requests.put(self._connection.recv_bytes())
        if self._working.is_set() or not self._requests.empty():
            os.killpg(os.getpgrp(), signal.SIGKILL)
        self._requests.put(None)

    def _answer(self, request: bytes) -> Answer:
        try:
            flow_run, packed = cloudpickle.loads(request)
            surroundings, call = cloudpickle.loads(packed)
        except Exception as error:  # noqa: BLE001 - whatever a user's module or object does when it is loaded
            return InfrastructureError(f"the task cannot be loaded on this node: {type(error).__name__}: {error}")
        if self._client is None:
            self._enter(*cloudpickle.loads(flow_run))
        with hydrated_context(surroundings, client=self._client):
            if call["task"].isasync:
                return asyncio.run(run_task_async(**call, return_type="state"))  # type: ignore[return-value]
            return run_task_sync(**call, return_type="state")  # type: ignore[return-value]

    def _enter(self, flow_name: str | None, flow_run: dict[str, Any]) -> None:
        """Enter the context of the flow run, once: it costs more than a short task does."""
        self._client = self._stack.enter_context(SyncClientContext()).client
        if flow_name is not None:
            context = {"flow_run_context": {**flow_run, "flow": Flow(_elsewhere, name=flow_name)}}
            self._stack.enter_context(hydrated_context(context, client=self._client))


def _elsewhere() -> None:
    """Stands for the code of the flow, which is where it was submitted."""


def _pickle(answer: Answer) -> bytes:
    try:
        packed: bytes = cloudpickle.dumps(answer)
    except Exception as error:  # noqa: BLE001 - whatever a user's object does when it is pickled
        packed = cloudpickle.dumps(InfrastructureError(f"the result of the task cannot be sent home: {error}"))
    return packed


def main() -> None:
    sys.path += [place for place in json.loads(sys.argv[2]) if place not in sys.path]
    TaskProcess(Connection(int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
