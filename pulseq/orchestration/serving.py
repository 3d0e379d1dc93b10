"""Serving deployments from this process: Prefect's runner, told how early to take a run and how to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import Any

from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner

#: How often it asks for runs, and how early it takes them. A run that has been taken has a slot of its
#: deployment's concurrency limit: ten seconds early, as Prefect would, and it keeps that from the run that is due.
QUERY_SECONDS = 2.0
PREFETCH_SECONDS = 1.0


async def serve(deployments: Sequence[RunnerDeployment], *, limit: int) -> None:
    """Make the deployments known and run them from here until SIGTERM or SIGINT comes, or its terminal is closed.

    Then schedules are paused, and runs that go on are cancelled: their tests keep the verdicts that they have.

    Raises:
        KeyboardInterrupt: it was SIGINT.
    """
    server = _Server(limit=limit, query_seconds=QUERY_SECONDS, prefetch_seconds=PREFETCH_SECONDS)
    for deployment in deployments:
        await server.aadd_deployment(deployment)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, server.interrupt)
    if hears_hangup := signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under `nohup`
        loop.add_signal_handler(signal.SIGHUP, server.end)
    try:
        await server.start()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if hears_hangup:
            loop.remove_signal_handler(signal.SIGHUP)
    if server.interrupted:
        raise KeyboardInterrupt


class _Server(Runner):
    interrupted = False
    _stopping: asyncio.Task[None] | None = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._own_loop = asyncio.get_running_loop()

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        # Prefect's own leaves the program from inside its loop, which tells a traceback and ends no run.
        self._own_loop.call_soon_threadsafe(self.end)

    def interrupt(self) -> None:
        self.interrupted = True
        # The next one ends the program at once.
        self._own_loop.remove_signal_handler(signal.SIGINT)
        self.end()

    def end(self) -> None:
        """Stop taking runs and end those that go on; `start` returns then."""
        if self._stopping is None:
            self._stopping = self._own_loop.create_task(self._stop_when_started())

    async def _stop_when_started(self) -> None:
        with contextlib.suppress(RuntimeError):  # it has not begun, or has ended already
            await self.astop()
