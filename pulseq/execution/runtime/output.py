"""Output of any size in memory of a fixed size: its head, its tail, and how much there was."""

from __future__ import annotations

import os
from typing import Optional

from .blotting import Blotter

#: Bytes kept of the beginning, and as many of the end.
KEPT_BYTES = 64 * 1024


class HeadTail:
    """Takes bytes in and keeps the first and the last `kept_bytes` of them.

    Args:
        blotter: blots secrets out of the text; of one that is cut no part is kept.

    Attributes:
        room: how much of beginning and end is held: `kept_bytes`, and what tells whether a secret is cut there.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES, blotter: Optional[Blotter] = None) -> None:
        self.total_bytes = 0
        self._kept_bytes = kept_bytes
        self._blotter = blotter
        self.room = kept_bytes if blotter is None else kept_bytes + blotter.reach
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        self.total_bytes += len(data)
        room = self.room - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data[-self.room :]
        # Trimmed at twice its size, so that small pieces do not each move the whole tail.
        if len(self._tail) > 2 * self.room:
            del self._tail[: -self.room]

    def text(self) -> str:
        """What was kept, as text; one line tells how much was left out between head and tail."""
        head, tail = bytes(self._head), bytes(self._tail[-self.room :])
        if self.total_bytes == len(head) + len(tail):
            head = tail = head + tail  # nothing is missing between them
        left_out = self.total_bytes - 2 * self._kept_bytes
        if left_out <= 0:
            return self._show(head, 0, len(head))
        first = self._show(head, 0, self._kept_bytes)
        last = self._show(tail, len(tail) - self._kept_bytes, len(tail))
        return f"{first}\n[... {left_out} bytes left out ...]\n{last}"

    def whole(self) -> Optional[bytes]:
        """All that came, with its secrets, to be taken in elsewhere; None where something is missing."""
        data = bytes(self._head + self._tail)
        return data if self.total_bytes == len(data) else None

    def _show(self, data: bytes, start: int, stop: int) -> str:
        return _decode(data[start:stop] if self._blotter is None else self._blotter.blot(data, start, stop))


def read_file(descriptor: int, blotter: Optional[Blotter] = None) -> str:
    """The text of a file, from its beginning, wherever others that share the descriptor have come to."""
    kept = HeadTail(blotter=blotter)
    offset = 0
    while True:
        data = os.pread(descriptor, KEPT_BYTES, offset)
        if not data:
            return kept.text().strip()
        kept.feed(data)
        offset += len(data)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")
