"""A real shell at a terminal, in which somebody types and asks for completion."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_SECONDS = 60.0
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r|\x07")


@dataclass
class Terminal:
    """What a person at it does."""

    descriptor: int

    def enter(self, line: str) -> None:
        """Type a line, and wait until it is done."""
        self.ask(f"{line}\n")

    def complete(self, line: str) -> str:
        """The line that stands there after a tab at its end, as the shell's own `echo` has it."""
        # To the beginning of the line (Ctrl-A) goes `echo`, to its end (Ctrl-E) a mark: nothing has to be waited for.
        return self.ask(f"{line}\t\x01echo '[' \x05 ']'\n").partition("[ ")[2].partition(" ]")[0].strip()

    def ask(self, keys: str) -> str:
        """What is printed until the shell has done all that was typed."""
        mark = f"done{time.monotonic_ns()}"
        # In two parts, so that the echo of what is typed is not taken for what is printed.
        os.write(self.descriptor, f"{keys}echo {mark[:6]}''{mark[6:]}\n".encode())
        read = b""
        until = time.monotonic() + _PATIENCE_SECONDS
        while mark.encode() not in read:
            assert select.select([self.descriptor], [], [], max(until - time.monotonic(), 0))[0], read
            read += os.read(self.descriptor, 65536)
        return _CONTROL.sub(b"", read.replace(b"\x1b[K", b"")).decode()


@contextmanager
def open_terminal(command: list[str], directory: Path) -> Iterator[Terminal]:
    """A shell in a directory, without anybody's settings; it has ended when the block has."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "TERM": "dumb", "PS1": "$ ", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        command, cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
