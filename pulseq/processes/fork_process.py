"""The process that nodes are forked from (`python -m pulseq.processes.fork_process`, or a fork of its owner).

It has loaded what a node needs, one and a half seconds of a processor, so that each node after that costs
milliseconds. It has one thread, and only ever answers its owner's requests: of such a process a fork is safe.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pulseq.execution.runtime import wire
from pulseq.execution.runtime.forking import flush_streams, fork_into
from pulseq.execution.runtime.process_tree import continue_when_orphaned
from pulseq.ownership import open_own
from pulseq.processes.abandoned import remove_abandoned
from pulseq.processes.child import read_configuration
from pulseq.processes.loading import loading_much, share_with_forks
from pulseq.processes.watched_process import code_of

_ARGUMENTS_FIELD = 45


def main() -> None:
    configuration = read_configuration()
    with loading_much():
        importlib.import_module(configuration["module"])
    share_with_forks()
    serve_forks(socket.socket(fileno=configuration["socket_fd"]), configuration["owners_lock"])


def may_be_forked() -> bool:
    """Whether this process has no other thread, and all three of its streams."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return len(os.listdir("/proc/self/task")) == 1 and all(stream is not None for stream in streams)


def fork_this_process(requests: socket.socket, log: int, environment: Mapping[str, str]) -> int:
    """Have a fork of this process serve forks; its number.

    To be called where it `may_be_forked`, and by no task of a loop: a callback, at most.

    Args:
        requests: the end of the socket that the fork is to have; all else that is open stays the owner's alone.
        log: a descriptor for what the fork says.
        environment: what it and its forks have besides ours.
    """
    flush_streams()  # else the fork might say it once more

    def become() -> None:
        _leave_owner(requests.fileno(), log)
        os.environ.update(environment)
        sys.path.insert(0, os.getcwd())  # as `python -m` has it
        if "prefect" in sys.modules:
            from pulseq.processes.preload import read_settings_again

            read_settings_again()
        gc.freeze()
        show_as(__name__)
        serve_forks(requests)

    return fork_into(become)


def _leave_owner(requests: int, log: int) -> None:
    """Be a process of its own: session, signals, streams, and nothing open that is the owner's."""
    os.setsid()
    continue_when_orphaned()
    signal.set_wakeup_fd(-1)
    for handled in signal.valid_signals():
        if callable(signal.getsignal(handled)):
            signal.signal(handled, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - {requests, nothing}:
        # Filled, not closed: objects of the owner's have these numbers, and may yet close them.
        with contextlib.suppress(OSError):
            os.fstat(descriptor)  # what listed them has closed its own
            os.dup2(log if descriptor == 2 else nothing, descriptor, inheritable=descriptor <= 2)
    _OWNERS_STREAMS.extend((sys.stdin, sys.stdout, sys.stderr))
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        errors = "backslashreplace" if number == 2 else "strict"
        stream = open(number, mode, buffering=-1 if number == 1 else 1, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    _part_loggers_from_views()


def _part_loggers_from_views() -> None:
    """Have loggers write here what they would give to a view of the owner's, which draws its picture with each line.

    Their handlers have as their stream what Rich has put in the place of the owner's while it draws.
    """
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = {handler for logger in loggers for handler in getattr(logger, "handlers", ())}
    for handler in handlers:
        owners: Any = getattr(handler, "stream", None)
        if hasattr(owners, "rich_proxied_file") and isinstance(handler, logging.StreamHandler):
            # Not by `setStream`: it flushes the view.
            handler.stream = sys.stdout if owners.fileno() == 1 else sys.stderr


#: Kept, since whoever frees a stream flushes it.
_OWNERS_STREAMS: list[Any] = []


def serve_forks(requests: socket.socket, owners_lock: str | None = None) -> NoReturn:
    """Do what the owner asks for until it has gone, which ends the process; each request brings the line to answer."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, no fork could be asked for its code
    while True:
        request, descriptors = wire.receive_packet(requests, 1)
        if request is None:
            if owners_lock is not None:
                _bury_owner(Path(owners_lock))
            os._exit(0)
        match request["do"]:
            case "fork":
                _fork(requests, descriptors[0], request)
            case "tell":
                _answer(descriptors[0], {"code": code_of(request["pid"])})
            case "bury":
                for pid in request["pids"]:
                    os.waitpid(pid, 0)


def _bury_owner(lock: Path) -> None:
    """Remove what an owner leaves that was killed, once all forks have ended, which write there."""
    with contextlib.suppress(ChildProcessError):
        while told := os.waitid(os.P_ALL, 0, os.WEXITED | os.WSTOPPED):
            if told.si_code == os.CLD_STOPPED:  # else it would never see that the owner is gone
                os.kill(told.si_pid, signal.SIGCONT)
    with contextlib.suppress(OSError):
        remove_abandoned(lock)


def _fork(requests: socket.socket, line: int, request: wire.Message) -> None:
    """Make a fork that has this line to the owner, who hears first of all what its number is."""

    def become() -> None:
        requests.close()
        _move_in(line, request["log"])
        name = request["module"]
        show_as(name)
        importlib.import_module(name).main()

    try:
        answer: wire.Message = {"pid": fork_into(become), "parent": os.getpid()}
    except OSError as error:
        answer = {"error": str(error)}
    _answer(line, answer)


def _answer(line: int, message: wire.Message) -> None:
    # Closed at once: as long as we have it, too, a fork would not see the end of its owner.
    with contextlib.suppress(OSError), socket.socket(fileno=line) as sock:
        wire.send(sock, message)


def _move_in(line: int, log_path: str) -> None:
    """Have a session, a line to the owner and a log of one's own."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number, descriptor in enumerate((line, nowhere, open_own(Path(log_path)))):
        os.dup2(descriptor, number)
        os.close(descriptor)


def show_as(module: str) -> None:
    """Have `ps` show this process as `python -m MODULE`, where that is no longer than what it was started as."""
    line = Path("/proc/self/cmdline").read_bytes()
    ours = b"\0pulseq.processes.fork_process\0"
    name = b"\0" + module.encode() + b"\0"
    whole = os.fsencode(sys.executable) + b"\0-m" + name
    new = line.replace(ours, name, 1) if ours in line and len(ours) == len(name) else whole.ljust(len(line), b"\0")
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start = int(fields[_ARGUMENTS_FIELD])
    if len(new) == len(line) and start and ctypes.string_at(start, len(line)) == line:
        ctypes.memmove(start, new, len(new))


if __name__ == "__main__":
    main()
