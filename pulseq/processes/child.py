"""The inside of a process that PulseQ starts: its configuration, its lifeline, its readiness.

Standard input carries one JSON line of configuration and then stays open for as long as the
owner lives. Its end, for whatever reason, means die: a pipe tells of a SIGKILL too, and unlike
PR_SET_PDEATHSIG it does not depend on which thread of the owner started the child.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from pulseq.execution.runtime.process_tree import continue_when_orphaned


def read_configuration() -> dict[str, Any]:
    """The configuration that the owner sends; call it once, after what is slow to load is loaded."""
    # What a Ctrl-C means is the owner's to decide. A handler that does nothing, since what is ignored would be
    # ignored by every body, too.
    signal.signal(signal.SIGINT, _hear_nothing)
    continue_when_orphaned()
    configuration: dict[str, Any] = json.loads(_read_line(0))
    return configuration


def _hear_nothing(_number: int, _frame: object) -> None:
    """Take no notice of a signal."""


def _read_line(fd: int) -> bytes:
    # Unbuffered: what follows the line belongs to the thread that watches the lifeline.
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(fd, 1)
        if not chunk:
            os._exit(0)
        line += chunk
    return bytes(line)


def watch_lifeline(on_end: Callable[[], None]) -> None:
    """Call `on_end` in a thread of its own when the owner is gone; then leave at once."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        try:
            on_end()
        finally:
            os._exit(0)

    threading.Thread(target=watch, name="pulseq-lifeline", daemon=True).start()


def tell_owner(message: dict[str, Any]) -> None:
    """Send one JSON line to the owner (readiness, an address)."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
