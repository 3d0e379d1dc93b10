"""How a guardian begins the processes of a session, each a fork of it, which has nothing of the suite in it."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any, Dict, Iterable, NoReturn, Optional

from .process_tree import die_with_parent


def import_pytest() -> Optional[str]:
    """Load pytest, once for all that are forked; why it cannot be."""
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.getcwd())
    try:
        import pytest
        import pytest.__main__  # noqa: F401
    except ImportError as error:
        return f"{sys.executable} has no pytest: {error}"
    return None


def _fork(lines: Iterable[int]) -> int:
    """Fork; in the child, which ends with its parent, let go of what is the parent's."""
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in lines:
            os.close(descriptor)
    return pid


def begin_controller(
    lines: Iterable[int], line: socket.socket, request: Dict[str, Any], private: str, temporary: Optional[str]
) -> int:
    """Start the controller; its number."""
    pid = _fork(lines)
    if pid == 0:
        # What it leaves in the directory for temporary files is meant to stay.
        os.environ.pop("TMPDIR", None)
        if temporary is not None:
            os.environ["TMPDIR"] = temporary
        from .pytest_controller import run

        run(line, request, private)
    return pid


def begin_zygote(lines: Iterable[int], line: socket.socket, request: Dict[str, Any], private: str) -> int:
    """Start the process that collects and is forked; its number."""
    pid = _fork(lines)
    if pid == 0:
        from .pytest_zygote import start

        start(line, request, private)
    return pid


def begin_interpreter_keeper(
    lines: Iterable[int], line: int, message: Dict[str, Any], request: Dict[str, Any], private: str
) -> Optional[int]:
    """Start a keeper whose runners are interpreters of their own; its number, None where that cannot be."""
    try:
        pid = _fork(one for one in lines if one != line)
    except OSError:
        return None
    if pid == 0:
        _keep(socket.socket(fileno=line), message, request, private)
    return pid


def _keep(line: socket.socket, message: Dict[str, Any], request: Dict[str, Any], private: str) -> NoReturn:
    from .pytest_keeper import RunnerKeeper
    from .pytest_worker import InterpreterStarter

    RunnerKeeper(line, message, InterpreterStarter(private, request)).serve()
    os._exit(1)  # a runner of it is another program by now
