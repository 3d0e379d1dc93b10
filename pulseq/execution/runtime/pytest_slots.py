"""The controller's lines to its workers: they come and go, and what they tell is read from files."""

from __future__ import annotations

import base64
import contextlib
import os
import select
import socket
import sys
from typing import Any, Dict, List, Optional, Set, Tuple

from . import originals, wire
from .pytest_crashes import is_handled
from .pytest_events import EventReader, encode
from .pytest_replay import Replay
from .pytest_xdist import Node

#: The name of the socket, in the session's private directory.
SOCKET_NAME = "controller"
#: How often the files are looked at while workers are there; what is new waits no longer than this.
_LOOK_SECONDS = 0.05
#: How long a keeper waits for the controller's word on a crashed item.
_ANSWER_SECONDS = 10.0
#: Libraries whose `select` waits as it should; one that a suite has made up may do anything.
_GREENLETS = frozenset({"gevent", "eventlet"})


class SlotLines:
    """Takes workers in, gives each its `workerinput`, and hears them out.

    Args:
        directory: the session's private one.
        wanted: the node ids of which it matters that they pass; None for all, and for all that they tell.
    """

    def __init__(self, directory: str, replay: Replay, wanted: Optional[List[str]]) -> None:
        self._replay = replay
        self._wanted = wanted
        self._directory = directory
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(None)
        _with_short_name(directory, lambda name: self._listener.bind(name))
        self._listener.listen(128)
        self._lines: Dict[int, socket.socket] = {}
        self._readers: Dict[int, EventReader] = {}
        self._nodes: Dict[int, Node] = {}
        self._collectors: Set[int] = set()
        self._asking: List[Tuple[socket.socket, wire.Message]] = []
        self._made = 0

    def serve(self, guardian: socket.socket) -> None:
        """Until the guardian says that no more workers come, and the last one has ended."""
        finishing = False
        while not finishing or self._lines:
            watched = [self._listener, *self._lines.values()]
            if not finishing:
                watched.append(guardian)
            ready = _wait([sock.fileno() for sock in watched], _LOOK_SECONDS if self._lines else None)
            if self._listener.fileno() in ready:
                self._take_in()
            for fd in list(self._lines):
                self._hear(fd, ended=fd in ready)
            self._answer()
            if not finishing and guardian.fileno() in ready:
                if wire.receive(guardian) is None:
                    os._exit(1)
                finishing = True
        # A suite may take what is left open for an error.
        self._listener.close()

    def _take_in(self) -> None:
        # `accept` would make one of whatever class the suite has put in the place of `socket.socket`.
        listener: Any = self._listener
        descriptor, _ = listener._accept()
        line = socket.socket(fileno=descriptor)
        line.settimeout(None)  # the suite may have set a default
        message = wire.receive(line)
        if message is None:
            line.close()
            return
        if message["op"] == "crashed":
            self._asking.append((line, message))
            return
        worker, collects = message["worker"], message["collects"]
        node = self._replay.show_node(worker) if collects else self._replay.node_of(worker)
        self._made += 1
        path = os.path.join(self._directory, f"events-{self._made}")
        fd = line.fileno()
        self._readers[fd] = EventReader(path)
        self._lines[fd], self._nodes[fd] = line, node
        data = base64.b64encode(encode(node.workerinput)).decode("ascii")
        try:
            wire.send(line, {"op": "input", "input": data, "events": path, "wanted": self._wanted})
        except OSError:
            return  # it has gone already, which the next look tells
        if not collects:
            self._replay.take(node, ("ready", {}))
        else:
            self._collectors.add(fd)

    def _answer(self) -> None:
        """Say what came of items whose worker has ended with them, once all that it said was taken."""
        for asked in list(self._asking):
            line, message = asked
            here = (node.gateway.id for fd, node in self._nodes.items() if fd not in self._collectors)
            if message["worker"] not in here:
                self._asking.remove(asked)
                pending = self._replay.crashes.pending
                again = message["nodeid"] in pending
                pending.discard(message["nodeid"])
                with line, contextlib.suppress(OSError):
                    wire.send(line, {"op": "crash", "again": again})

    def _hear(self, fd: int, *, ended: bool) -> None:
        reader, node = self._readers[fd], self._nodes[fd]
        gone = ended and not self._lines[fd].recv(1)
        for event in reader.read():
            self._replay.take(node, event)
        if gone:
            reader.close()
            self._lines.pop(fd).close()
            del self._readers[fd], self._nodes[fd]
            if fd in self._collectors:
                self._collectors.discard(fd)
            else:
                self._replay.down(node)


def _wait(descriptors: List[int], seconds: Optional[float]) -> Set[int]:
    """Those of these that can be read, after so many seconds at most."""
    if not _GREENLETS.isdisjoint(sys.modules) and "select.select" in originals.patched():
        # What plug-ins have started in the background goes on only while greenlets get their turn.
        return set(sys.modules["select"].select(descriptors, [], [], seconds)[0])
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if seconds is None else seconds * 1000)}


def _with_short_name(directory: str, act: Any) -> None:
    """Do something with the name of the socket in a directory: one of over 108 bytes would be none."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        act(f"/proc/self/fd/{descriptor}/{SOCKET_NAME}")
    finally:
        os.close(descriptor)


def call_controller(directory: str, worker: str, *, collects: bool) -> "tuple[socket.socket, wire.Message]":
    """In a worker: the line to the controller, and its answer.

    Args:
        collects: whether this process is one that collects and is forked, and no worker itself.

    Raises:
        OSError: there is no controller any more.
    """
    return _ask(directory, {"op": "hello", "worker": worker, "collects": collects}, None)


def runs_again(directory: str, worker: str, nodeid: str) -> bool:
    """In the keeper of a worker that has ended: whether a plug-in wants the item again that it ran."""
    if not is_handled(directory):
        return False
    try:
        line, answer = _ask(directory, {"op": "crashed", "worker": worker, "nodeid": nodeid}, _ANSWER_SECONDS)
    except OSError:
        return False
    line.close()
    return bool(answer["again"])


def _ask(directory: str, question: wire.Message, seconds: Optional[float]) -> "tuple[socket.socket, wire.Message]":
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(seconds)
    try:
        _with_short_name(directory, lambda name: line.connect(name))
        wire.send(line, question)
        answer = wire.receive(line)
        if answer is None:
            raise ConnectionResetError("the session's controller has ended")
    except OSError:
        line.close()
        raise
    return line, answer
