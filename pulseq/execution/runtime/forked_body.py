"""A body that is Python of ours or of the user: a fork that says its verdict over a pipe of its own."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import signal
import sys
from typing import Any, Callable, Dict, Mapping, Tuple

from .blotting import blot_result
from .body_command import check_cwd
from .forking import flush_streams, fork_into
from .wire import encode

Outcome = Dict[str, Any]


def start_fork(
    run: Callable[[Mapping[str, Any]], Outcome],
    order: Mapping[str, Any],
    environment: Dict[str, str],
    output_fd: int,
) -> Tuple[int, int]:
    """Fork; the child runs `run(order)` and sends what it returns.

    Returns:
        the child's process id, and the file descriptor that its verdict, one wire message, comes from.

    Raises:
        SetupError: when the working directory cannot be used.
        OSError: when the machine cannot start any process now.
    """
    check_cwd(order["cwd"])
    verdict_fd, write_fd = os.pipe()

    def become() -> None:
        _become_body(order["cwd"], environment, output_fd, keep_fd=write_fd)
        _run_and_tell(run, order, write_fd)

    pid = fork_into(become)
    os.close(write_fd)
    return pid, verdict_fd


def _become_body(cwd: str, environment: Dict[str, str], output_fd: int, *, keep_fd: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    _close_all_but(0, 1, 2, keep_fd)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    faulthandler.enable()


def _close_all_but(*kept: int) -> None:
    """Close what belongs to the keeper: a body that held its line to the node would hide its end."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _run_and_tell(run: Callable[[Mapping[str, Any]], Outcome], order: Mapping[str, Any], write_fd: int) -> None:
    own = os.getpid()
    verdict = run(order)
    # A body that forked and let both of them return has one verdict all the same: the parent's.
    if os.getpid() != own:
        os._exit(0)
    flush_streams()
    with open(write_fd, "wb") as line:
        line.write(encode(blot_result(verdict)))
    atexit._run_exitfuncs()
