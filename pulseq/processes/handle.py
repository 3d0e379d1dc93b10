"""A process that is held: whatever becomes of its number, it is this one that is signalled, waited for and ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import Self


class ProcessHandle:
    """A process, whoever's child it is, by a pidfd.

    Raises:
        ProcessLookupError: there is no process of this number.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    @property
    def is_held(self) -> bool:
        """Whether it was not let go of."""
        return self._descriptor >= 0

    def signal(self, number: int) -> None:
        """Send it a signal; nothing where it has ended."""
        if self.is_held:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def has_ended(self, within_seconds: float = 0.0) -> bool:
        """Whether it has ended, or does within so many seconds, for which this blocks."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(max(0.0, within_seconds) * 1000))

    def close(self) -> None:
        """Let go of it, which ends nothing."""
        if self.is_held:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
