"""The process that nodes are forked from (`python -m pulseq.engine.fork_process`).

It has loaded what a node needs, one and a half seconds of a processor, so that each node after that costs
milliseconds. It has one thread, and only ever answers its owner's requests: of such a process a fork is safe.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from pulseq.engine.child import read_configuration
from pulseq.engine.loading import loading_much

_LONGEST_REQUEST = 65536
_ARGUMENTS_FIELD = 45


def main() -> None:
    configuration = read_configuration()
    with loading_much():
        module = importlib.import_module(configuration["module"])
    # What is there now is never garbage, and looking for some would copy its pages in every fork.
    gc.collect()
    gc.freeze()
    serve_forks(socket.socket(fileno=configuration["socket_fd"]))
    show_as(module.__name__)
    module.main()


def serve_forks(requests: socket.socket) -> None:
    """Do what the owner asks for until it has gone, which ends the process; returns in a fork alone."""
    while True:
        message, pipes, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 2)
        if not message:
            os._exit(0)
        request: dict[str, Any] = json.loads(message)
        match request["do"]:
            case "fork":
                if not _fork(requests, pipes):
                    requests.close()
                    _move_in(pipes, request["log"])
                    return
            case "tell":
                _answer(requests, {"code": _code_of(request["pid"])})
            case "bury":
                os.waitpid(request["pid"], 0)


def _fork(requests: socket.socket, pipes: list[int]) -> int:
    """The number of a new fork, which is 0 there; the owner is told."""
    try:
        pid = os.fork()
    except OSError as error:
        _answer(requests, {"error": str(error)})
        pid = -1
    if pid:
        # First of all: as long as we have them, too, a fork would not see the end of its owner.
        for end in pipes:
            os.close(end)
    if pid > 0:
        _answer(requests, {"pid": pid})
    return pid


def _move_in(pipes: list[int], log_path: str) -> None:
    """Have a session, an input, an output and a log of one's own."""
    os.setsid()
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for number, descriptor in enumerate((*pipes, log)):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _answer(requests: socket.socket, message: dict[str, Any]) -> None:
    try:
        requests.send(json.dumps(message).encode())
    except OSError:
        os._exit(0)  # the owner has gone


def _code_of(pid: int) -> int:
    """The return code of a fork that has ended, which keeps its number until it is buried."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def show_as(module: str) -> None:
    """Have `ps` show a fork as `python -m MODULE`, where that name is as long as the one it was forked from."""
    line = Path("/proc/self/cmdline").read_bytes()
    ours = b"\0pulseq.engine.fork_process\0"
    new = b"\0" + module.encode() + b"\0"
    place = line.find(ours)
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start = int(fields[_ARGUMENTS_FIELD])
    if place < 0 or len(new) != len(ours) or not start or ctypes.string_at(start, len(line)) != line:
        return
    ctypes.memmove(start + place, new, len(new))


if __name__ == "__main__":
    main()
