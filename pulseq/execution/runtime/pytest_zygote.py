"""Collects a pytest suite once, then forks a keeper for every slot that is asked for.

Two processes. The guardian waits for nodes to come and go: those of one machine share what was collected. The
zygote, its child, runs pytest.

On each node's line come `collect` (arguments, keyword, markers, worker), which the first one to ask decides,
then any number of `fork` (worker, temp, node), each with a socket.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import socket
import sys
import threading
import types
from typing import Any, NoReturn

from . import metric
from .output import read_file
from .pytest_fork import die_with_parent
from .pytest_guardian import Guardian
from .pytest_nodes import Answer, Nodes, Request, tell

#: The variable that names a directory of the zygote's own, which lies where nodes find its socket.
PRIVATE = "_PULSEQ_ZYGOTE_DIRECTORY"


def main(fd: int) -> None:
    """Serve the nodes that connect to the listening socket `fd` until the last has gone. A runner returns from here."""
    os.set_inheritable(fd, False)
    private = os.environ.pop(PRIVATE, None)
    if private is not None:
        os.environ["TMPDIR"] = private  # whatever starts this interpreter may have chosen another
    listener = socket.socket(fileno=fd)
    ours, theirs = socket.socketpair()
    zygote = os.fork()
    if zygote:
        theirs.close()
        Guardian(listener, zygote, ours, private).run()
    die_with_parent()
    listener.close()
    ours.close()
    nodes = Nodes(theirs, private)
    first = next(nodes.requests(), None)
    if first is None:
        os._exit(0)
    _run_pytest(nodes, first)


def _run_pytest(nodes: Nodes, first: Request) -> None:
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.getcwd())
    try:
        import pytest

        program = importlib.import_module("pytest.__main__")
    except ImportError as error:
        _refuse(nodes, first, f"{sys.executable} has no pytest: {error}", 1)
    from .pytest_collection import CollectionPlugin

    metric.install_stand_in()
    request = first.message
    _pose_as(program, request["args"])
    plugin = CollectionPlugin(request, lambda session: _serve(nodes, first, session, plugin))
    try:
        code = pytest.main(list(request["args"]), plugins=[plugin])
    except BaseException as error:
        if plugin.serving:
            raise
        plugin.trouble.append(f"{type(error).__name__}: {error}")
        code = 1
    if plugin.serving:
        _leave(int(code))
    _refuse(nodes, first, "\n".join(plugin.trouble) or _printed(), int(code))


def _refuse(nodes: Nodes, first: Request, error: str, code: int) -> NoReturn:
    """Tell all who ask that there will be no collection, until none is left."""
    error = error or f"pytest ended with exit code {code} before it had collected"
    answer = Answer({"op": "refused", "error": error}, nodes.directory)
    answer.give(first.line)
    for request in nodes.requests():
        answer.give(request.line)
    os._exit(code)


def _printed() -> str:
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        return read_file(1)
    except OSError:
        return ""


def _leave(code: int) -> NoReturn:
    """End a runner as an interpreter ends, in its order, but for the last step.

    That would take apart all that was collected, which copies each page of it for this fork: half a second.
    """
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _pose_as(program: types.ModuleType, args: list[str]) -> None:
    """Look like `python -m pytest`, so that what spawns a child by `__main__` finds what it would there."""
    sys.argv = [str(program.__file__), *args]
    main_module = types.ModuleType("__main__")
    main_module.__dict__.update(
        {name: value for name, value in vars(program).items() if name not in ("__name__", "__builtins__")}
    )
    sys.modules["__main__"] = main_module


def _serve(nodes: Nodes, first: Request, session: Any, plugin: Any) -> Any:
    """Answer with the collection, then fork keepers; returns, with its link, in runners alone."""
    from .pytest_keeper import Keeper, fork

    answer = Answer(plugin.collection(session), nodes.directory)
    answer.give(first.line)
    gc.collect()
    gc.freeze()
    keepers: set[int] = set()
    for request in nodes.requests():
        if request.message["op"] == "collect":
            answer.give(request.line)
            continue
        keepers = {pid for pid in keepers if os.waitpid(pid, os.WNOHANG)[0] == 0}
        try:
            pid = fork() if request.descriptors else -1
        except OSError:
            # Processes or memory have run out: the node learns it by the end of the line that it passed.
            pid = -1
        if pid == 0:
            nodes.part()
            answer.part()
            return Keeper(socket.socket(fileno=request.descriptors[0]), request.message, session.config).serve()
        for descriptor in request.descriptors:
            os.close(descriptor)
        if pid > 0:
            keepers.add(pid)
        tell(request.line, {"op": "forked"})
    os._exit(0)
