"""The process that runs start from while `pulseq up` stands (`python -m pulseq.cli.run_host`).

It has loaded what a run needs. For each `pulseq run` that asks (`handover.py`) it forks one that takes over
the caller's arguments, environment, directory and streams, and ends with the caller. It has one thread and
does nothing else: of such a process a fork is safe.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import locale
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from pulseq.cli.execute import silence_prefect
from pulseq.cli.handover import GO, PATIENCE_SECONDS, SOCKET_NAME, identity, short_address
from pulseq.execution.runtime import wire
from pulseq.execution.runtime.forking import fork_into
from pulseq.execution.runtime.process_tree import continue_when_orphaned
from pulseq.ownership import is_own_peer
from pulseq.processes.child import read_configuration, tell_owner
from pulseq.processes.loading import loading_much, share_with_forks
from pulseq.processes.native_threads import no_native_threads
from pulseq.run.stopping import tell_before_leaving

_LONGEST_REQUEST = 1 << 20
_BACKLOG = 128
#: What a run imports sooner or later, by itself or through Prefect.
LOADED = (
    "pulseq.cli.main",
    "pulseq.cli.run",
    "pulseq.run.run_session",
    "pulseq.run.carrying_flow_run",
    "pulseq.reports.json_output",
    "pulseq.reports.junit",
    "pulseq.reports.live",
    "pulseq.reports.plain",
    "pulseq.reports.summary",
    # What the first flow run of a process imports.
    "fastapi.encoders",
)


def main() -> None:
    """Wait for runs until the owner is gone."""
    configuration = read_configuration()
    ours = identity()
    silence_prefect()
    with loading_much(), no_native_threads():
        for module in LOADED:
            importlib.import_module(module)
        from pulseq.processes.preload import load_late_modules  # brings Prefect, which has to be silenced before

        load_late_modules()
    share_with_forks()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise SystemExit(f"found {threads} threads, expected 1: no fork of this process would be safe")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ends needs no burial
    with _listen(Path(configuration["directory"])) as listener:
        tell_owner({"listens": True})
        _serve(listener, ours)


def _listen(directory: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    (directory / SOCKET_NAME).unlink(missing_ok=True)
    mask = os.umask(0o177)  # for this user alone
    try:
        with short_address(directory) as address:
            listener.bind(address)
    finally:
        os.umask(mask)
    listener.listen(_BACKLOG)
    return listener


def _serve(listener: socket.socket, ours: dict[str, Any]) -> None:
    """Fork for each caller; returns when the owner has gone."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(listener, select.POLLIN)
    while 0 not in (ready := [descriptor for descriptor, _ in poll.poll()]):
        if listener.fileno() in ready:
            caller, _ = listener.accept()
            with caller:
                if is_own_peer(caller):
                    fork_into(functools.partial(_run_for, caller, ours, listener))


def _run_for(caller: socket.socket, ours: dict[str, Any], listener: socket.socket) -> int:
    listener.close()
    os.setsid()
    continue_when_orphaned()
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    caller.settimeout(PATIENCE_SECONDS)
    code = 1
    with contextlib.suppress(OSError):  # the caller has left, or never came to ask
        request, descriptors = wire.receive_packet(caller, 4, longest=_LONGEST_REQUEST)
        if request is not None and len(descriptors) == 4 and request["identity"] == ours:
            _move_in(request, descriptors)
            wire.send(caller, {"pid": os.getpid()})
            if wire.receive_packet(caller)[0] == GO:
                caller.settimeout(None)
                threading.Thread(target=_end_with, args=(caller,), name="pulseq-caller", daemon=True).start()
                tell_before_leaving(lambda code: _tell_code(caller, code))
                code = _run(request["arguments"])
                _tell_code(caller, code)
    return code


def _tell_code(caller: socket.socket, code: int) -> None:
    wire.send(caller, {"code": code})


def _end_with(caller: socket.socket) -> None:
    """Die as the caller has died: whoever watches this process sees what it would have seen of that one."""
    with contextlib.suppress(OSError):
        caller.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _move_in(request: dict[str, Any], descriptors: list[int]) -> None:
    """Be where the caller is."""
    from pulseq.processes.preload import read_settings_again

    os.environ.clear()
    os.environ.update(request["environment"])
    os.umask(request["umask"])
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.fchdir(descriptors[3])
    os.close(descriptors[3])
    sys.argv[:] = request["argv"]
    sys.path[:] = request["path"]
    told = request["streams"]
    for number, (name, mode) in enumerate((("stdin", "rb"), ("stdout", "wb"), ("stderr", "wb"))):
        binary = os.fdopen(number, mode, closefd=False)
        stream = io.TextIOWrapper(binary, **told[number])
        for place in (name, f"__{name}__"):
            setattr(sys, place, stream)
    time.tzset()
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "")
    tempfile.tempdir = None
    silence_prefect()
    read_settings_again()


def _run(arguments: list[str]) -> int:
    from pulseq.cli.main import flush_streams, run_command

    return flush_streams(run_command(arguments))


if __name__ == "__main__":
    main()
