"""The inside of a process that PulseQ starts: its configuration, its lifeline, its readiness.

Standard input is its line to its owner: a socket, over which comes one message of configuration, and which then stays
open for as long as the owner lives. Its end, for whatever reason, means die: a line tells of a SIGKILL too, and unlike
PR_SET_PDEATHSIG it does not depend on which thread of the owner started the child.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pulseq.execution.runtime import wire
from pulseq.execution.runtime.process_tree import continue_when_orphaned


def read_configuration() -> dict[str, Any]:
    """The configuration that the owner sends; call it once, after what is slow to load is loaded."""
    # What a Ctrl-C means is the owner's to decide. A handler that does nothing, since what is ignored would be
    # ignored by every body, too.
    signal.signal(signal.SIGINT, _hear_nothing)
    continue_when_orphaned()
    configuration = None
    with contextlib.suppress(OSError), _line() as line:
        configuration = wire.receive(line)
    if configuration is None:
        os._exit(0)
    return configuration


def has_been_told() -> bool:
    """Whether the configuration is there to be read, or will never come."""
    return bool(select.select([0], [], [], 0)[0])


def leave_with_owner() -> None:
    """From here on leave at once when the owner has gone, also before it has said what this process is to be."""

    def watch() -> None:
        poll = select.poll()
        poll.register(0, select.POLLRDHUP)
        poll.poll()
        os._exit(0)

    threading.Thread(target=watch, name="pulseq-owner", daemon=True).start()


def _hear_nothing(_number: int, _frame: object) -> None:
    """Take no notice of a signal."""


def watch_lifeline(on_end: Callable[[], None]) -> None:
    """Call `on_end` in a thread of its own when the owner is gone; then leave at once."""

    def watch() -> None:
        # One that has left something unread makes the end of its line an error.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        try:
            on_end()
        finally:
            os._exit(0)

    threading.Thread(target=watch, name="pulseq-lifeline", daemon=True).start()


def tell_owner(message: dict[str, Any]) -> None:
    """Send a message to the owner (readiness, an address).

    Raises:
        OSError: it has gone.
    """
    with _line() as line:
        wire.send(line, message)


@contextlib.contextmanager
def _line() -> Iterator[socket.socket]:
    line = socket.socket(fileno=0)
    try:
        yield line
    finally:
        line.detach()
