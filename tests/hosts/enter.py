"""Runs a command on a host: `python enter.py PID USER COMMAND…`, PID its first process. Standard library alone.

As `nsenter` does, but for three things. What is run has the host's processors. It does not stand still when the command
does: what is stopped there would keep the host from ending. And what it is told to end by is told to the command, which
ends with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_KINDS = ("ipc", "uts", "net", "pid", "mnt")
_PARENT_DEATH_SIGNAL = 1
_libc = ctypes.CDLL(None, use_errno=True)


def enter(pid: int) -> None:
    """Have the namespaces of a process, and its processors; that of processes only for the children of this one."""
    os.sched_setaffinity(0, os.sched_getaffinity(pid))
    files = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in _KINDS]
    for kind, file in zip(_KINDS, files, strict=True):
        if _libc.setns(file, 0):
            raise OSError(ctypes.get_errno(), f"the namespace {kind} of {pid} cannot be entered")
        os.close(file)


def become(user: int) -> None:
    """Have this account, without any group but its own, and end with the parent."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def main(pid: str, user: str, *command: str) -> None:
    enter(int(pid))
    child = os.fork()
    if child == 0:
        become(int(user))
        os.execvp(command[0], command)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda told, frame: os.kill(child, told))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        ended_by = os.WTERMSIG(status)
        if ended_by != signal.SIGKILL:
            signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
