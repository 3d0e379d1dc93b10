"""The right to start an item, which a runner takes or its keeper takes back: one byte of a pipe each.

Whoever reads a byte has it and nobody else does, so an item that is given to another node has not begun here.
The items themselves have an order: the runner starts the first ones, and what is taken back are the last.
"""

from __future__ import annotations

import os

#: So many bytes fit into any pipe, also into one of a user who has too many of them.
MOST_TURNS = 4096


class Turns:
    """The keeper's end, and both descriptors until the runner has parted."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)

    def deal(self, count: int) -> None:
        """Let the runner start so many items, at most `MOST_TURNS` of them at a time."""
        os.write(self._write_fd, bytes(count))

    def take_back(self, count: int) -> int:
        """Keep the runner from starting so many items; how many it had not started yet."""
        try:
            return len(os.read(self.read_fd, count)) if count > 0 else 0
        except BlockingIOError:
            return 0

    def part(self) -> int:
        """In the runner: let go of the keeper's end; the descriptor that is left."""
        os.close(self._write_fd)
        return self.read_fd

    def close(self) -> None:
        """In the keeper, when the runner has ended."""
        os.close(self.read_fd)
        os.close(self._write_fd)


def take_turn(fd: int) -> bool:
    """In the runner: whether the next item is its to start."""
    try:
        return os.read(fd, 1) != b""
    except BlockingIOError:
        return False
