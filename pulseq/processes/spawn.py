"""Starting a program, each in a session of its own: the terminal's Ctrl-C reaches its owner alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from pulseq.ownership import make_own_directory, open_own


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    errors: IO[bytes],
    stdin: int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    cwd: str | None = None,
) -> int:
    """Start a program; its number, which is nobody else's until somebody waits for it.

    Raises:
        OSError: it cannot be started.
    """
    process: subprocess.Popen[Any] = subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=errors,
        env=environment,
        cwd=cwd,
        start_new_session=True,
        pass_fds=pass_fds,
    )
    process.returncode = 0  # whatever it ends with, it is not this object's to wait for
    return process.pid


def spawn_module(
    module: str, *, log_path: Path, environment: Mapping[str, str], pass_fds: Sequence[int] = ()
) -> tuple[int, socket.socket]:
    """Start `python -m MODULE`, which reads from its line what it is to be (`child.py`); its number and our end.

    Args:
        log_path: takes its standard error; what it prints is dropped.
        environment: besides this process's own.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs, open_log(log_path) as log:
            pid = spawn(
                [sys.executable, "-P", "-m", module],
                environment={**os.environ, **environment},
                errors=log,
                stdin=theirs.fileno(),
                pass_fds=pass_fds,
            )
    except BaseException:
        ours.close()
        raise
    return pid, ours


def open_log(path: Path) -> IO[bytes]:
    """A log to write to, in a directory that is made where there is none."""
    make_own_directory(path.parent)
    return open(open_own(path), "ab")
