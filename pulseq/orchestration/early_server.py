"""A server of a run's own that begins to load while its suite is being read, before it is known what it is to be.

Of all that a run with nothing up waits for it takes longest: two seconds to load, a quarter of one before it is known
that the run can be. It opens and writes nothing before it is told what it is to be (`server_process.py`), and is ended
where it is not wanted. Nothing is imported here that takes time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from pulseq.orchestration.quiet_settings import LEAN_SERVER_SETTINGS, QUIET_SETTINGS
from pulseq.ownership import is_foreign
from pulseq.processes.loopback import bind_loopback
from pulseq.processes.spawn import spawn_module

SERVER_MODULE = "pulseq.orchestration.server_process"
_NO_RUN = frozenset({"-h", "--help", "--version"})


class Loading(NamedTuple):
    """A server that loads: its process, our end of its line, and the socket that it has for its own."""

    pid: int
    line: socket.socket
    listener: socket.socket


_loading: Loading | None = None


def load_early(arguments: Sequence[str], home: Path) -> None:
    """Have a server load where this command line looks like a run that will want one.

    Args:
        home: the state directory; in a new one nothing is done, since loading makes Prefect's directory in there.
    """
    global _loading
    prefect_home = home / "prefect"
    if not _is_run(arguments) or _may_have_api(home) or not prefect_home.is_dir():
        return
    if is_foreign(home) or is_foreign(prefect_home):
        return  # it is refused where runs begin
    settings = {**QUIET_SETTINGS, **LEAN_SERVER_SETTINGS, "PREFECT_HOME": str(prefect_home.absolute())}
    with contextlib.suppress(OSError):  # the run will meet it again, and tell
        listener = bind_loopback()
        log, sockets = Path(os.devnull), [listener.fileno()]
        pid, line = spawn_module(SERVER_MODULE, log_path=log, environment=settings, pass_fds=sockets)
        _loading = Loading(pid, line, listener)


def take_loading() -> Loading | None:
    """What loads, once; from here on it is the caller's."""
    global _loading
    loading, _loading = _loading, None
    return loading


def end_loading() -> None:
    """End what loads and was not taken."""
    if (loading := take_loading()) is not None:
        os.kill(loading.pid, signal.SIGKILL)  # nobody has waited for it: the number is its own
        os.waitpid(loading.pid, 0)
        loading.line.close()
        loading.listener.close()


def _is_run(arguments: Sequence[str]) -> bool:
    ours = takewhile(lambda word: word != "--", arguments)
    return next(iter(arguments), "") == "run" and _NO_RUN.isdisjoint(ours)


def _may_have_api(home: Path) -> bool:
    """Whether there may be a server that the run will use; where it does not, its own loads when that is known."""
    profiles = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect") / "profiles.toml"
    return bool(os.environ.get("PREFECT_API_URL")) or (home / "standing").exists() or profiles.exists()
