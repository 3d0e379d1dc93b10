"""What a node does that comes by itself: it judges the silence of its scheduler, and leaves in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from pulseq.background import Background
from pulseq.node.leaving import leave
from pulseq.node.node_agent import NodeAgent
from pulseq.node.silence import Silence
from pulseq.protocol.welcome import SILENT_CODE


@contextlib.asynccontextmanager
async def on_its_own(
    worker: Any, agent: NodeAgent, silence_seconds: float, end_bodies: Callable[[], None]
) -> AsyncIterator[None]:
    """End a node's bodies and its process when it hears nothing for too long, and leave in order at SIGTERM.

    Args:
        worker: of Dask's, before it is started.
        silence_seconds: `node_timeout`.
        end_bodies: ends them, and removes what they have left; called in a thread of its own.
    """

    def end() -> None:
        end_bodies()
        os._exit(SILENT_CODE)

    def end_in_silence() -> None:
        threading.Thread(target=end, name="pulseq-silence", daemon=True).start()

    background = Background(agent.note_death)
    silence = Silence(silence_seconds, end_in_silence)
    silence.follow(worker)
    background.start(silence.watch(), "watching the silence of the scheduler")
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: background.start(leave(worker, agent), "leaving the fleet"))
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        await background.end()
