"""Collects a pytest suite once, then forks a keeper for every slot that is asked for.

Two processes: the guardian, which only waits, and the zygote, its child, which
runs pytest. The zygote is deaf while user code is collected, so the guardian is
what ends everything when the node goes away.

Over the control socket come `collect` (arguments, keyword, markers, worker), then
any number of `fork` (worker, temp), each followed by one byte that carries a socket.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import select
import socket
import sys
import threading
import types
from typing import Any, NoReturn

from . import metric, process_tree, wire
from .pytest_fork import die_with_parent


def main(fd: int) -> None:
    """Serve the node at the other end of `fd` until it hangs up. A runner returns from here."""
    control = socket.socket(fileno=fd)
    zygote = os.fork()
    if zygote:
        os._exit(_guard(control, zygote))
    die_with_parent()
    request = wire.receive(control)
    if request is None:
        os._exit(0)
    _run_pytest(control, request)


def _guard(control: socket.socket, zygote: int) -> int:
    """Wait for the end of the node or of the zygote, then end all below; what to exit with."""
    process_tree.become_subreaper()
    child_signal = process_tree.ChildSignal()
    silence_standard_files()
    statuses: dict[int, int] = {}

    def note(ended: process_tree.Ended) -> None:
        statuses[ended.pid] = ended.status

    poll = select.poll()
    poll.register(control.fileno(), 0)
    poll.register(child_signal.fd, select.POLLIN)
    while zygote not in statuses and control.fileno() not in [ready for ready, _ in poll.poll()]:
        child_signal.clear()
        process_tree.reap(note)
    process_tree.kill_descendants(0, record=note)
    status = statuses.get(zygote, 0)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def silence_standard_files() -> None:
    """Let go of standard input, output and error: whoever reads them waits for their last holder."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _run_pytest(control: socket.socket, request: wire.Message) -> None:
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.getcwd())
    try:
        import pytest

        program = importlib.import_module("pytest.__main__")
    except ImportError as error:
        wire.send(control, {"op": "refused", "error": f"{sys.executable} has no pytest: {error}"})
        return
    from .pytest_collection import CollectionPlugin

    metric.install_stand_in()
    _pose_as(program, request["args"])
    plugin = CollectionPlugin(request, lambda session: _serve(control, session, plugin))
    try:
        code = pytest.main(list(request["args"]), plugins=[plugin])
    except BaseException as error:
        if plugin.serving:
            raise
        plugin.trouble.append(f"{type(error).__name__}: {error}")
        code = 1
    if plugin.serving:
        _leave(int(code))
    trouble = "\n".join(plugin.trouble)
    wire.send(control, {"op": "refused", "error": trouble, "exit_code": int(code)})


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


def _serve(control: socket.socket, session: Any, plugin: Any) -> Any:
    """Answer with the collection, then fork keepers; returns, with its link, in runners alone."""
    from .pytest_keeper import Keeper, fork

    wire.send(control, plugin.collection(session))
    gc.collect()
    gc.freeze()
    keepers: set[int] = set()
    while True:
        request = wire.receive(control)
        if request is None:
            os._exit(0)
        keepers = {pid for pid in keepers if os.waitpid(pid, os.WNOHANG)[0] == 0}
        _, fds, _, _ = socket.recv_fds(control, 1, 1)
        pid = fork()
        if pid == 0:
            control.close()
            return Keeper(socket.socket(fileno=fds[0]), request, session.config).serve()
        os.close(fds[0])
        keepers.add(pid)
        wire.send(control, {"op": "forked", "pid": pid})
