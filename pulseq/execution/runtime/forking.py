"""Forks that end where their work does: nothing that the parent had set out to do happens in them."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from typing import Callable, Optional


def fork_into(run: Callable[[], Optional[int]]) -> int:
    """Fork; the child runs `run` and ends with the exit code that this returns, 0 for None.

    Whatever it raises is written to its standard error. No handler at exit is called, and no `finally` of the caller.

    Returns:
        the child's number, in the parent alone.

    Raises:
        OSError: there can be no fork.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = run() or 0
        except SystemExit as error:
            code = _code_of(error)
        except BaseException:  # noqa: BLE001 - nobody above may see it: above is the parent's program
            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
        finally:
            try:
                flush_streams()
            finally:
                os._exit(code)
    return pid


def fork_silently() -> int:
    """`os.fork`, without the warning that the code under test has threads: its threads stay behind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return os.fork()


def flush_streams() -> None:
    """Write what standard output and error still hold; a reader that has gone, or a full disk, changes nothing."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _code_of(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    os.write(2, f"{error.code}\n".encode("utf-8", "replace"))
    return 1
