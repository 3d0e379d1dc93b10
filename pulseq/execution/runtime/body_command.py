"""A program as a body: started directly, never through a shell unless that is asked for."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import Any, Dict, List, Mapping, Tuple

from .body_ending import SetupError

#: What the starting of a program fails with when the program, not the machine, is to blame.
_SETUP_ERRORS = {
    errno.EACCES,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.ENOEXEC,
    errno.E2BIG,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EISDIR,
}


def start(order: Mapping[str, Any], environment: Dict[str, str], output_fd: int) -> Tuple[int, None]:
    """Start the program in a session of its own, its output going to `output_fd`.

    Returns:
        its process id, and None: its exit is its verdict.

    Raises:
        SetupError: when it cannot be started as it is written.
        OSError: when the machine cannot start any process now.
    """
    body = order["body"]
    argv = ["/bin/sh", "-c", body["argv"][0]] if body["shell"] else list(body["argv"])
    check_cwd(order["cwd"])
    try:
        process = subprocess.Popen(
            argv,
            cwd=order["cwd"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output_fd,
            stderr=output_fd,
            start_new_session=True,
        )
    except OSError as error:
        if error.errno in _SETUP_ERRORS:
            raise SetupError(_explain(error, argv, order["cwd"], environment)) from error
        raise
    except ValueError as error:
        raise SetupError(f"the command {argv!r} cannot be started: {error}") from error
    # Whoever keeps the body reaps it; `Popen` shall not try.
    process.returncode = 0
    return process.pid, None


def check_cwd(cwd: str) -> None:
    """Raise SetupError where `cwd` is no directory that one may enter."""
    if not os.path.isdir(cwd):
        raise SetupError(f"the working directory {cwd!r} does not exist on this node")
    if not os.access(cwd, os.X_OK):
        raise SetupError(f"the working directory {cwd!r} may not be entered on this node")


def _explain(error: OSError, argv: List[str], cwd: str, environment: Mapping[str, str]) -> str:
    program = argv[0]
    if error.errno == errno.ENOENT:
        if os.sep not in program:
            return f"the program {program!r} was not found on this node; PATH is {environment.get('PATH', '')!r}"
        if os.path.exists(os.path.join(cwd, program)):
            return f"the program {program!r} is there, but the interpreter that its first line names is not"
        return f"the program {program!r} does not exist on this node (working directory {cwd!r})"
    if error.errno == errno.EACCES:
        return f"the program {program!r} is not executable on this node"
    if error.errno == errno.ENOEXEC:
        return f"the program {program!r} is no program that this node can run (no '#!' line, another architecture?)"
    return f"the program {program!r} cannot be started: {os.strerror(error.errno or 0)}"
