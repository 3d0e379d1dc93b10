"""Hands `pulseq run` to what `pulseq up` keeps ready for it (`run_host.py`): a process that has all loaded.

Importing Prefect, Dask and DuckDB takes a second and a half, most of what a short run is. Nothing heavy is
imported here, and where anything is not as it should be, the run is this process's own to do.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pulseq
from pulseq.execution.runtime import wire
from pulseq.ownership import is_foreign, is_own_peer
from pulseq.processes.handle import ProcessHandle

#: The socket, in the directory of what stands.
SOCKET_NAME = "runs.sock"
#: For an answer of a process that has nothing else to do.
PATIENCE_SECONDS = 5.0
GO = {"go": True}
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: What modules read as they are imported, or before: a host that has other values is not ours to use.
_READ_AT_START = ("PREFECT_", "DASK_", "PYTHON", "LC_", "LANG")


def hand_over(arguments: Sequence[str]) -> int | None:
    """Have a run done, and wait for it; its exit code, or None where this process is to do it."""
    whole = all(isinstance(stream, io.TextIOWrapper) for stream in (sys.stdin, sys.stdout, sys.stderr))
    if not arguments or arguments[0] != "run" or not whole or sys.gettrace() is not None:
        return None
    home = Path(os.environ.get("PULSEQ_HOME") or ".pulseq")
    if is_foreign(home) or is_foreign(home / "standing"):
        return None  # it is refused where runs begin
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as host:
        host.settimeout(PATIENCE_SECONDS)
        try:
            with short_address(home / "standing") as address:
                host.connect(address)
            # Who listens gets all that this process has: its variables, its streams, its directory.
            run = _ask(host, arguments) if is_own_peer(host) else None
        except (OSError, ValueError):
            return None
        if run is None:
            return None
        with run, _passing_signals_on_to(run):
            host.settimeout(None)
            with contextlib.suppress(OSError):
                wire.send(host, GO)
                ended, _ = wire.receive_packet(host)
                if ended is not None:
                    return int(ended["code"])
    told = "the process of this run has died; what it has journalled is kept: `pulseq results sync`, `pulseq summary`"
    print(f"pulseq: {told}", file=sys.stderr)
    return 10


def identity() -> dict[str, Any]:
    """What has to be the same here and there: the code, and what it has read already."""
    package = os.path.dirname(os.path.abspath(pulseq.__file__))
    return {
        "version": pulseq.__version__,
        "python": [sys.version, sys.prefix, list(sys.warnoptions), _flags()],
        "package": package,
        "changed": max(_times_of_change(package)),
        "environment": {name: value for name, value in os.environ.items() if name.startswith(_READ_AT_START)},
    }


def _flags() -> str:
    """How the interpreter was started, but for what it leaves off its path: processes of ours always do."""
    return re.sub(r", safe_path=\w+", "", str(sys.flags))


@contextlib.contextmanager
def short_address(directory: Path) -> Iterator[str]:
    """The socket's path, by way of an open directory: a path of its own may be longer than a socket's can be."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def _times_of_change(directory: str) -> Iterator[int]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield entry.stat().st_mtime_ns
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _times_of_change(entry.path)


def _ask(host: socket.socket, arguments: Sequence[str]) -> ProcessHandle | None:
    """A handle on the process that waits for our word to do the run; None where there is none for us."""
    request = {
        "identity": identity(),
        "arguments": list(arguments),
        "argv": sys.argv,
        "path": sys.path,
        "environment": dict(os.environ),
        "umask": _umask(),
        "streams": [_describe_stream(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    }
    directory = os.open(".", os.O_PATH | os.O_DIRECTORY)
    try:
        wire.send(host, request, 0, 1, 2, directory)
    finally:
        os.close(directory)
    told, _ = wire.receive_packet(host)
    return None if told is None else ProcessHandle(told["pid"])


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _describe_stream(stream: Any) -> dict[str, Any]:
    return {name: getattr(stream, name) for name in ("encoding", "errors", "line_buffering", "write_through")}


@contextlib.contextmanager
def _passing_signals_on_to(run: ProcessHandle) -> Iterator[None]:
    def pass_on(number: int, _frame: object) -> None:
        run.signal(number)

    def pause(_number: int, _frame: object) -> None:
        pass_on(signal.SIGSTOP, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        pass_on(signal.SIGCONT, None)

    heeded = [number for number in _PASSED_ON if signal.getsignal(number) != signal.SIG_IGN]  # not so under `nohup`
    before = {number: signal.signal(number, pass_on) for number in heeded}
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, pause)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
