"""A worker that is an interpreter of its own: it collects for itself, as one of pytest-xdist does, then runs items."""

from __future__ import annotations

import base64
import faulthandler
import os
import socket
import sys
from typing import Any, Dict

from . import blotting, metric, originals, wire
from .body_environment import ARTIFACTS_VARIABLE, PrivateDirectory
from .pytest_events import decode
from .pytest_fork import RunnerLink, Starter
from .pytest_leaving import leave
from .pytest_xdist import name_worker

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


class InterpreterStarter(Starter):
    """Starts runners as interpreters; used by a keeper that has nothing of the suite in it."""

    ready_at_once = False

    def __init__(self, directory: str, request: Dict[str, Any]) -> None:
        super().__init__(directory, None)
        self._request = request

    def settle(self) -> None:
        """Nothing is there yet that could be let go of."""

    def become_runner(self, link: RunnerLink) -> RunnerLink:
        """Become the interpreter."""
        descriptors = (link.sock.fileno(), link.output_fd, *link.captured_fds, link.turns_fd)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, True)
        for descriptor in (1, 2):
            os.dup2(link.output_fd, descriptor)
        environment = {**os.environ, "TMPDIR": link.private.temporary, metric.VARIABLE: link.private.metrics}
        environment[ARTIFACTS_VARIABLE] = link.private.artifacts
        message = {
            "request": self._request,
            "descriptors": descriptors,
            "private": link.private.path,
            "worker": link.worker,
            "directory": link.directory,
            "artifacts": link.artifacts,
        }
        order = os.memfd_create("pulseq-worker", 0)
        wire.write(order, message)
        try:
            os.execve(sys.executable, [sys.executable, _PROGRAM, "pytest_worker", "--fd", str(order)], environment)
        finally:
            os._exit(127)


def main(fd: int) -> None:
    """Be the worker that the message in the file `fd` describes."""
    message = wire.read(fd)
    os.close(fd)
    sock_fd, output_fd, out, err, turns_fd = message["descriptors"]
    for descriptor in message["descriptors"]:
        os.set_inheritable(descriptor, False)
    private = PrivateDirectory.at(message["private"])
    link = RunnerLink(
        socket.socket(fileno=sock_fd),
        output_fd,
        (out, err),
        private,
        turns_fd,
        message["worker"],
        message["directory"],
        message["artifacts"],
    )
    blotting.use(message["request"]["secrets"])
    _run_pytest(link, message["request"])


def _run_pytest(link: RunnerLink, request: Dict[str, Any]) -> None:
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.getcwd())
    try:
        import pytest
    except ImportError as error:
        wire.send(link.sock, {"op": "refused", "error": f"{sys.executable} has no pytest: {error}"})
        os._exit(1)
    from .pytest_collection import WorkerPlugin
    from .pytest_garbage import keep_collection
    from .pytest_neutral import pose_as_pytest
    from .pytest_sender import EventSender
    from .pytest_slots import call_controller

    line, answer = call_controller(link.directory, link.worker, collects=False)
    given = decode(base64.b64decode(answer["input"]))
    name_worker(given["workerid"], given["workercount"], given["testrunuid"])
    originals.bind(__package__)
    metric.install_stand_in()
    pose_as_pytest(request["args"])
    sender = EventSender(answer["events"], answer["wanted"])
    if request["basetemp"] is not None:
        request = {**request, "basetemp": free_basetemp(request["basetemp"], link.worker)}

    def serve(session: Any) -> RunnerLink:
        collection = plugin.collection(session)
        sender.tell_collected([item[0] for item in collection["items"]])
        wire.send(link.sock, {**collection, "dumps": faulthandler.is_enabled()})
        keep_collection()
        return link

    plugin = WorkerPlugin(request, given, sender, serve)
    try:
        code = int(pytest.main(list(request["args"]), plugins=[plugin]))
    except BaseException as error:
        if plugin.serving:
            sender.tell_trouble()
            raise
        plugin.trouble.append(f"{type(error).__name__}: {error}")
        code = 1
    if not plugin.serving:
        words = "\n".join(plugin.trouble)
        wire.send(link.sock, {"op": "refused", "error": words})
    line.close()
    leave(code, link.directory, is_fork=False)


def free_basetemp(parent: str, worker: str) -> str:
    """A base directory for `tmp_path` of one worker, beside those of the others: what an earlier one left stays."""
    number = 1
    path = os.path.join(parent, f"popen-{worker}")
    while os.path.lexists(path):
        number += 1
        path = os.path.join(parent, f"popen-{worker}-{number}")
    return path
