"""Becomes a program that does not outlive who has started it: `python -I -S tied_program.py PARENT COMMAND…`.

For programs of others, which know nothing of lifelines: an ssh whose host is out of reach would wait for it, long after
its owner was killed. The kernel ends it with the thread that has started it, so that has to be one that stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
#: As a shell ends where there is no such program.
_NO_PROGRAM = 127


def tied(command: Sequence[str]) -> list[str]:
    """The same command, for this thread to start."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def main(parent: str, *command: str) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        return  # it has ended before
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{error.strerror}: {command[0]}\n")
        sys.exit(_NO_PROGRAM)


if __name__ == "__main__":
    main(*sys.argv[1:])
