"""How a process ends that has run a pytest session, and what a fork of one must leave to the process it is of."""

from __future__ import annotations

import _io
import atexit
import contextlib
import fcntl
import gc
import os
import random
import stat
import sys
import threading
import weakref
from typing import Any, NoReturn


def leave(code: int, own: str, *, is_fork: bool) -> NoReturn:
    """End as an interpreter ends, in its order, but for the last step, of which files alone are finished.

    The whole would take apart all that was collected, which copies each page of it for a fork: half a second.
    What is open in the process that is only forked is its forks' to finish; it ends by `leave_files`.

    Args:
        own: the directory of files that are not the suite's.
        is_fork: whether what is open may be that of the process that was forked.
    """
    _finish_threads()
    finish_files(own, is_fork=is_fork)
    _end(code)


def leave_files(code: int) -> NoReturn:
    """As `leave`, and files that are open stay as they are."""
    _finish_threads()
    _end(code)


def _finish_threads() -> None:
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are no daemons
    atexit._run_exitfuncs()


def _end(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


#: Files that hold nothing of what was written, or pass it on at once.
_EMPTY_HANDED = (_io.FileIO, _io.BufferedReader, _io.BufferedRWPair, _io.BytesIO, _io.StringIO)
_BUFFERS = (_io.BufferedWriter, _io.BufferedRandom)


def finish_files(own: str, *, is_fork: bool) -> None:
    """Write what files that nobody has closed still hold, as an interpreter does when it takes all apart.

    Args:
        own: the directory of files that are not the suite's.
        is_fork: whether databases that are open may be those of the process that was forked, which closes them.
    """
    if not _writes_files(own):
        return
    gc.unfreeze()
    found = gc.get_objects()
    files = [one for one in found if issubclass(type(one), _io._IOBase)]
    for file in files:
        if not issubclass(type(file), (*_EMPTY_HANDED, *_BUFFERS)):
            _finish(file.flush if issubclass(type(file), _io.TextIOWrapper) else file.close)
    # What the others have passed on.
    for file in files:
        if issubclass(type(file), _BUFFERS):
            _finish(file.flush)
    connections: Any = getattr(sys.modules.get("sqlite3"), "Connection", None)
    if not is_fork and isinstance(connections, type):
        for one in found:
            if issubclass(type(one), connections):
                _finish(one.close)


def _finish(act: Any) -> None:
    with contextlib.suppress(Exception):
        act()


def _writes_files(own: str) -> bool:
    """Whether this process has a file open for writing that stays when it has ended."""
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found = os.stat(f"/proc/self/fd/{descriptor}")
            if stat.S_ISREG(found.st_mode) and found.st_nlink and _is_writable(int(descriptor)):
                path = os.readlink(f"/proc/self/fd/{descriptor}")
                if os.path.dirname(path) != own:
                    return True
        except OSError:  # the one that listed them is gone
            continue
    return False


def _is_writable(descriptor: int) -> bool:
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def disown_inheritance() -> None:
    """In a fork: leave to the process that made them what is undone once at its end.

    That is what was registered with `atexit`, and weak finalizers, by which temporary directories go. What is made
    from here on is undone by this process, as in any other.
    """
    atexit._clear()
    finalizer: Any = weakref.finalize
    for one in list(finalizer._registry):
        one.detach()
    finalizer._registered_with_atexit = False


def refresh_greenlets() -> None:
    """In a fork: give gevent a loop of its own, as its documentation asks for after a fork."""
    gevent: Any = sys.modules.get("gevent")
    if gevent is None or not hasattr(gevent, "reinit"):
        return
    gevent.reinit()
    reset = getattr(gevent.get_hub().loop, "reset_sigchld", None)
    if reset is not None:
        reset()  # it would not see that its handler was replaced meanwhile, and never hear of a child's end


class RandomState:
    """The state of `random`, which a fork is given anew by Python although an interpreter of its own keeps it."""

    def __init__(self) -> None:
        self._state = random.getstate()

    def restore(self) -> None:
        random.setstate(self._state)
