"""How a process ends that has run a pytest session, and what a fork of one must leave to the process it is of."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import sys
import threading
import weakref
from typing import Any, NoReturn


def leave(code: int) -> NoReturn:
    """End as an interpreter ends, in its order, but for the last step.

    That would take apart all that was collected, which copies each page of it for a fork: half a second.
    """
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


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
    reinit = getattr(sys.modules.get("gevent"), "reinit", None)
    if reinit is not None:
        reinit()


class RandomState:
    """The state of `random`, which a fork is given anew by Python although an interpreter of its own keeps it."""

    def __init__(self) -> None:
        self._state = random.getstate()

    def restore(self) -> None:
        random.setstate(self._state)
