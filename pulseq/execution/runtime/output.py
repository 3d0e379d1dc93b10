"""Output of any size in memory of a fixed size: its head, its tail, and how much there was."""

from __future__ import annotations

import os

#: Bytes kept of the beginning, and as many of the end.
KEPT_BYTES = 64 * 1024


class HeadTail:
    """Takes bytes in and keeps the first and the last `kept_bytes` of them."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.total_bytes = 0
        self._kept_bytes = kept_bytes
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        self.total_bytes += len(data)
        room = self._kept_bytes - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data[-self._kept_bytes :]
        # Trimmed at twice its size, so that small pieces do not each move the whole tail.
        if len(self._tail) > 2 * self._kept_bytes:
            del self._tail[: -self._kept_bytes]

    def text(self) -> str:
        """What was kept, as text; one line tells how much was left out between head and tail."""
        tail = bytes(self._tail[-self._kept_bytes :])
        left_out = self.total_bytes - len(self._head) - len(tail)
        if left_out == 0:
            return _decode(bytes(self._head) + tail)
        return f"{_decode(bytes(self._head))}\n[... {left_out} bytes left out ...]\n{_decode(tail)}"


def read_file(descriptor: int) -> str:
    """The text of a file, from its beginning, wherever others that share the descriptor have come to."""
    kept = HeadTail()
    offset = 0
    while True:
        data = os.pread(descriptor, KEPT_BYTES, offset)
        if not data:
            return kept.text().strip()
        kept.feed(data)
        offset += len(data)


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")
