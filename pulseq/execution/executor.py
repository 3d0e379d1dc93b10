"""Runs attempts on this node: every body in a process tree of its own, which ends with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pulseq.errors import InfrastructureError
from pulseq.execution.attempt import KeptAttempt, RunningAttempt, SimulatedAttempt
from pulseq.execution.attempt_result import order_message
from pulseq.execution.launchers import LauncherError, LauncherPool
from pulseq.models import AttemptOrder, CallBody, Reason, SimulateBody, TestCase


class Executor:
    """What a node runs command, call, http and simulate bodies with.

    Args:
        node_id: the node's name, told to bodies and put into results.
        temp_root: directory under which the bodies' temporary directories are made.
        default_python: interpreter of this node.
        call_python: interpreter for `call` bodies that name none, written as a test would; the node's when None.
        environment: what bodies get their variables from, without ours; the process's own when None.
    """

    def __init__(
        self,
        *,
        node_id: str,
        temp_root: Path,
        default_python: str = sys.executable,
        call_python: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._node_id = node_id
        self._default_python = default_python
        self._call_python = call_python or default_python
        self._parent = temp_root
        self._temp_root = temp_root
        self._environment = os.environ if environment is None else environment
        #: Of the interpreter for `call` bodies, as far as that is known.
        self.call_version: str | None = None
        self._launchers: LauncherPool | None = None
        self._attempts: set[RunningAttempt] = set()

    async def start(self) -> None:
        """Make ready for the first attempt.

        Raises:
            InfrastructureError: when the node's own interpreter or directory cannot be used.
        """
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._temp_root = Path(tempfile.mkdtemp(prefix="pulseq-node-", dir=self._parent))
        except OSError as error:
            raise InfrastructureError(
                f"no temporary directory can be made in {str(self._parent)!r}: {error}"
            ) from error
        self._launchers = LauncherPool(self._temp_root, self._environment)
        try:
            for python in dict.fromkeys((self._default_python, os.path.expanduser(self._call_python))):
                if os.path.isabs(python) or os.sep not in python:  # else it is another one in each directory
                    self.call_version = (await self._launchers.get(python)).version
        except (LauncherError, OSError) as error:
            await self.close()
            raise InfrastructureError(f"this node cannot run tests: {error}") from error

    async def start_attempt(self, order: AttemptOrder) -> RunningAttempt:
        """Start one attempt; whatever is wrong with its body shows in its result.

        Raises:
            InfrastructureError: when this executor was not started, or was closed.
        """
        if self._launchers is None:
            raise InfrastructureError("this node is not ready to run tests: its executor is not running")
        attempt = self._begin(order, self._launchers)
        self._attempts.add(attempt)
        attempt.when_done(self._attempts.discard)
        return attempt

    def _begin(self, order: AttemptOrder, launchers: LauncherPool) -> RunningAttempt:
        if isinstance(order.test.body, SimulateBody):
            return SimulatedAttempt(order, self._node_id, order.test.body)
        python = self._python(order.test)
        message = order_message(
            order,
            node_id=self._node_id,
            temp_root=str(self._temp_root),
            python_folder=os.path.dirname(self._default_python),
        )
        return KeptAttempt(order, self._node_id, message, partial(launchers.get, python))

    def _python(self, test: TestCase) -> str:
        if not isinstance(test.body, CallBody):
            return self._default_python
        return find_python(test.python or self._call_python, test.cwd)

    async def close(self) -> None:
        """End what runs (reason `cancelled`) and every process of this executor."""
        attempts = list(self._attempts)
        for attempt in attempts:
            attempt.stop(Reason.CANCELLED)
        await asyncio.gather(*(attempt.result() for attempt in attempts))
        launchers, self._launchers = self._launchers, None
        if launchers is not None:
            await launchers.close()
            await asyncio.to_thread(shutil.rmtree, self._temp_root, ignore_errors=True)


def find_python(python: str, cwd: str) -> str:
    """An interpreter as it can be started; a relative path begins at a test's directory, a bare name is looked up."""
    python = os.path.expanduser(python)
    return os.path.join(cwd, python) if os.sep in python else python
