"""Stands between the nodes of a machine and the pytest session that they share, and sees to it that nothing of
that outlives the last of them.

It has the session's controller started, and then what collects: a zygote that is forked for each slot, or an
interpreter for each. User code may make any of these deaf, so it is the guardian that takes connections, hears that
a node has gone, and ends everything when the last one has. It has a session of its own: the node that had it
started may die, or leave, while others still use it.

From the nodes: `collect`, which the first one to ask decides, any number of `fork` (worker, temp, node), each with a
socket, and at last `finish`. To them: `guarded`, then `answer` with a file or `interpreter` (reason), `forked` for
each, `over` with the session's result for one of them, `ended` where the session has ended before its time.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, NoReturn, Optional, Set

from . import blotting, originals, process_tree, wire
from .body_environment import SESSION_PRIVATE, SESSION_TEMPORARY
from .output import read_file
from .pytest_answer import AnswerFile, tell
from .pytest_begin import begin_controller, begin_interpreter_keeper, begin_zygote, import_pytest
from .pytest_xdist import COUNT_VARIABLE, RUN_VARIABLE, WORKER_VARIABLE, change_variables
from .stopped import LOOK_SECONDS, LOOKS, StoppedLooks

#: The other end has closed its line, or said that nothing more will come.
_GONE = select.POLLHUP | select.POLLERR | select.POLLRDHUP
_READ_BYTES = 256 * 1024
#: So much of what was printed goes into any socket, however it is escaped.
_SAID_CHARACTERS = 8 * 1024
#: How long what has said its last may take to end by itself.
_LEAVING_SECONDS = 5.0


@dataclass
class JoinedNode:
    """A node that is connected."""

    sock: socket.socket
    buffer: wire.MessageBuffer = field(default_factory=wire.MessageBuffer)
    collects: bool = False
    finished: bool = False
    #: How often in a row it was found stopped (SIGSTOP) while others waited for it.
    stops: int = 0

    @property
    def is_stopped(self) -> bool:
        """Whether the process that had connected is stopped now."""
        try:
            pid, _, _ = struct.unpack("3i", self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return False
        stat = process_tree.read_stat(pid) if pid > 0 else None
        return stat is not None and stat.state == "T"


class Guardian:
    """The loop of a guardian.

    Args:
        listener: where nodes connect.
        private: the session's directory, which lies beside the listener's name and is removed after it.
    """

    def __init__(self, listener: socket.socket, private: str, temporary: Optional[str]) -> None:
        self._listener = listener
        self._private = private
        self._temporary = temporary
        self._nodes: Dict[int, JoinedNode] = {}
        self._statuses: Dict[int, int] = {}
        self._request: Optional[Dict[str, Any]] = None
        self._controller: Optional[int] = None
        self._controller_line: Optional[socket.socket] = None
        self._controller_buffer = wire.MessageBuffer()
        self._zygote: Optional[int] = None
        self._zygote_line: Optional[socket.socket] = None
        self._zygote_buffer = wire.MessageBuffer()
        self._keepers: Set[int] = set()
        #: Controller, zygote and keepers, but nothing that the suite has started.
        self._looks = StoppedLooks()
        self._answer: Optional[int] = None
        self._notice: Optional[wire.Message] = None
        self._result: Optional[wire.Message] = None
        self._finishing = False
        #: When to look again whether those that have not finished are stopped.
        self._next_patience: Optional[float] = None

    def run(self) -> NoReturn:
        """Until the last node has gone, or the session; then everything below is ended."""
        process_tree.become_subreaper()
        self._child_signal = process_tree.ChildSignal()
        process_tree.reap(self._note)  # of an end before that nobody would hear
        self._printed = os.dup(1)
        self._listener.setblocking(False)
        # Who had us started is in the queue already.
        self._take_connections()
        while self._nodes:
            ready = self._poll()
            self._end_stops()
            if self._listener.fileno() in ready:
                self._take_connections()
            if self._child_signal.fd in ready:
                self._child_signal.clear()
                process_tree.reap(self._note)
            self._hear_session(ready)
            gone = {fd for fd, events in ready.items() if fd in self._nodes and events & _GONE}
            for fd in ready.keys() & self._nodes.keys():
                self._hear_node(self._nodes[fd])
            self._take_connections()
            if gone >= self._nodes.keys():
                # Their lines end with this process: by then all below it is gone, and the name is.
                break
            self._drop(gone)
            if self._has_died():
                break
            self._finish_if_all_have()
            if self._finishing and self._result is None and self._controller in self._statuses:
                self._give_result({"op": "over", **self._lost_controller()})
        self._end()

    def _poll(self) -> Dict[int, int]:
        poll = select.poll()
        for fd in (self._child_signal.fd, self._listener.fileno()):
            poll.register(fd, select.POLLIN)
        for line in (self._controller_line, self._zygote_line):
            if line is not None:
                poll.register(line.fileno(), select.POLLIN)
        for fd in self._nodes:
            poll.register(fd, select.POLLIN | select.POLLRDHUP)
        seconds = self._looks.seconds_left(time.monotonic())
        if self._next_patience is not None:
            left = max(0.0, self._next_patience - time.monotonic())
            seconds = left if seconds is None else min(seconds, left)
        return dict(poll.poll(None if seconds is None else seconds * 1000 + 1))

    def _end_stops(self) -> None:
        """Continue what a test, or whoever, has stopped; it would keep all nodes waiting."""
        for pid, number in self._looks.look(time.monotonic(), (os.getpid(), self._zygote or 0)):
            process_tree.send_signals([pid], number)

    def _take_connections(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            try:
                # Greeted first: a node that was not will look for another session.
                wire.send(sock, {"op": "guarded", "pid": os.getpid()})
            except OSError:
                sock.close()
            else:
                self._nodes[sock.fileno()] = JoinedNode(sock)

    def _hear_node(self, node: JoinedNode) -> None:
        try:
            data, descriptors = wire.read_bytes(node.sock, _READ_BYTES, 8)
        except OSError:
            return
        for message in node.buffer.feed(data):
            if message["op"] == "collect":
                self._collect(node, message)
            elif message["op"] == "fork":
                self._fork(node, message, descriptors)
            elif message["op"] == "finish":
                node.finished = True
                if self._result is not None:  # it was given up, and goes on after all
                    tell(node.sock, {"op": "over"})
        for descriptor in descriptors:
            os.close(descriptor)

    # -- from the first request to the answer

    def _collect(self, node: JoinedNode, request: wire.Message) -> None:
        node.collects = True
        if self._answer is not None:
            tell(node.sock, {"op": "answer"}, self._answer)
        elif self._notice is not None:
            tell(node.sock, self._notice)
        if self._request is None:
            self._request = request
            blotting.use(request["secrets"])
            trouble = import_pytest()
            if trouble is not None:
                self._give_answer({"op": "refused", "error": trouble})
                return
            self._controller_line, theirs = socket.socketpair()
            self._controller = begin_controller(self._lines(), theirs, request, self._private, self._temporary)
            theirs.close()
            self._looks.watch(self._controller)

    def _lines(self) -> List[int]:
        """What is this process's own: a child lets go of it."""
        lines = [self._controller_line, self._zygote_line, self._listener, *(one.sock for one in self._nodes.values())]
        answer = [] if self._answer is None else [self._answer]
        return [
            self._printed,
            *self._child_signal.descriptors,
            *answer,
            *(line.fileno() for line in lines if line is not None),
        ]

    def _hear_session(self, ready: Dict[int, int]) -> None:
        for line, buffer in (
            (self._controller_line, self._controller_buffer),
            (self._zygote_line, self._zygote_buffer),
        ):
            if line is None or line.fileno() not in ready:
                continue
            try:
                data, descriptors = wire.read_bytes(line, _READ_BYTES, 1)
            except OSError:
                data, descriptors = b"", []
            if not data:
                self._hang_up(line)
            for message in buffer.feed(data):
                self._heed(message, descriptors)

    def _hang_up(self, line: socket.socket) -> None:
        if line is self._controller_line:
            self._controller_line = None
        if line is self._zygote_line:
            self._zygote_line = None
        line.close()

    def _heed(self, message: wire.Message, descriptors: List[int]) -> None:
        if message["op"] == "ready":
            self._begin_collecting(message)
        elif message["op"] == "refused":
            self._give_answer(message)
        elif message["op"] == "over":
            self._give_result(message)
        elif message["op"] == "answer":
            self._answer = descriptors[0]
            for node in self._nodes.values():
                if node.collects:
                    tell(node.sock, {"op": "answer"}, self._answer)
        elif message["op"] == "unfit":
            self._be_interpreters(message["reason"])
        elif message["op"] == "forked":
            self._looks.watch(message["pid"])
            if message["line"] in self._nodes:
                tell(self._nodes[message["line"]].sock, {"op": "forked"})

    def _begin_collecting(self, message: wire.Message) -> None:
        assert self._request is not None
        self._request["basetemp"] = message["basetemp"]
        change_variables(message["environment"])  # all that collects and runs is a fork of this process
        isolation = self._request["isolation"]
        if isolation == "interpreter" or (isolation == "auto" and message["reason"] is not None):
            self._be_interpreters(message["reason"] if isolation == "auto" else None)
            return
        self._zygote_line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._zygote = begin_zygote(self._lines(), theirs, self._request, self._private)
        theirs.close()
        self._looks.watch(self._zygote)

    def _be_interpreters(self, reason: Optional[str]) -> None:
        self._notice = {"op": "interpreter", "reason": reason}
        for node in self._nodes.values():
            if node.collects:
                tell(node.sock, self._notice)

    def _give_answer(self, message: wire.Message) -> None:
        with contextlib.closing(AnswerFile(message, self._private)) as answer:
            self._answer = os.dup(answer.fileno())
        for node in self._nodes.values():
            if node.collects:
                tell(node.sock, {"op": "answer"}, self._answer)

    # -- slots

    def _fork(self, node: JoinedNode, message: wire.Message, descriptors: List[int]) -> None:
        if self._notice is not None and descriptors and self._request is not None:
            pid = begin_interpreter_keeper(self._lines(), descriptors[0], message, self._request, self._private)
            if pid is not None:
                self._keepers.add(pid)
                self._looks.watch(pid)
            tell(node.sock, {"op": "forked"})
        elif self._zygote_line is not None:
            tell(self._zygote_line, {**message, "line": node.sock.fileno()}, *descriptors[:1])
        # Else it has died, and all ends in a moment, which is the answer.

    # -- the end

    def _finish_if_all_have(self) -> None:
        """Let the session end when no node has anything more for it."""
        if self._finishing or not all(node.finished or node.stops >= LOOKS for node in self._nodes.values()):
            self._look_at_the_late()
            return
        self._finishing, self._next_patience = True, None
        if self._zygote_line is not None:
            tell(self._zygote_line, {"op": "finish"})
        if self._controller_line is not None:
            tell(self._controller_line, {"op": "finish"})

    def _look_at_the_late(self) -> None:
        """Count how long those are stopped for which the others wait: their run has gone on without them."""
        late = [node for node in self._nodes.values() if not node.finished]
        if self._finishing or not late or len(late) == len(self._nodes):
            self._next_patience = None
        elif self._next_patience is None:
            self._next_patience = time.monotonic() + LOOK_SECONDS
        elif time.monotonic() >= self._next_patience:
            self._next_patience = time.monotonic() + LOOK_SECONDS
            for node in late:
                node.stops = node.stops + 1 if node.is_stopped else 0

    def _lost_controller(self) -> Dict[str, Any]:
        status = self._statuses.get(self._controller or 0, 0)
        error = f"the session's controller ended before it ({_how(status)})\n{self._last_words()}".strip()
        return {"exit_status": 3, "error": error, "summary": "", "properties": [], "directory": ""}

    def _give_result(self, message: wire.Message) -> None:
        """Tell one node what the session came to, and the others that it is over."""
        self._result = message
        left = [node for node in self._nodes.values() if node.finished]
        for number, node in enumerate(left):
            with contextlib.suppress(OSError):
                wire.send(node.sock, message if number == 0 else {"op": "over"})

    def _drop(self, gone: Set[int]) -> None:
        for descriptor in gone & self._nodes.keys():
            node = self._nodes.pop(descriptor)
            with contextlib.suppress(OSError):
                # It waits for the end of its line, which what a suite has forked may hold, too.
                node.sock.shutdown(socket.SHUT_RDWR)
            node.sock.close()

    def _note(self, ended: process_tree.Ended) -> None:
        self._statuses[ended.pid] = ended.status
        self._keepers.discard(ended.pid)

    def _has_died(self) -> bool:
        """Whether what is needed to go on has gone."""
        if self._answer is None and self._notice is None:
            return bool(self._statuses.keys() & {self._controller, self._zygote})
        return self._zygote in self._statuses and self._notice is None and not self._finishing and self._answered()

    def _answered(self) -> bool:
        """Whether there was a collection, and not a refusal, after which the zygote ends by itself."""
        assert self._answer is not None
        return os.pread(self._answer, 17, 0) == b'{"op":"collected"'

    def _end(self) -> NoReturn:
        # First of all: whoever finds nothing there has a session of its own started.
        name = os.path.basename(self._listener.getsockname())
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(os.path.dirname(self._private), name))
        self._listener.close()
        died = self._has_died()
        if self._result is not None:
            # They undo what they have made, and write what their files still hold.
            ending = {pid for pid in (self._controller, self._zygote) if pid is not None}
            process_tree.wait_for(ending - self._statuses.keys(), _LEAVING_SECONDS)
        process_tree.kill_descendants(0, record=self._note)
        shutil.rmtree(self._private, ignore_errors=True)
        if died:
            pid = self._zygote if self._zygote in self._statuses else self._controller
            code = os.waitstatus_to_exitcode(self._statuses.get(pid or 0, 0))
            message = {"op": "ended", "exit_code": code, "printed": self._last_words()}
            for node in self._nodes.values():
                node.sock.setblocking(False)
                with contextlib.suppress(OSError):
                    wire.send(node.sock, message)
        os._exit(0)

    def _last_words(self) -> str:
        try:
            return read_file(self._printed, blotting.current())[-_SAID_CHARACTERS:]
        except OSError:  # it is no file: something between the node and this process reads it
            return ""


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def main(fd: int) -> None:
    """Serve the nodes that connect to the listening socket `fd` until the last has gone."""
    os.set_inheritable(fd, False)
    process_tree.continue_when_orphaned()
    originals.bind(__package__)
    private = os.environ.pop(SESSION_PRIVATE)
    temporary = os.environ.pop(SESSION_TEMPORARY, None)
    for name in (WORKER_VARIABLE, COUNT_VARIABLE, RUN_VARIABLE):
        os.environ.pop(name, None)  # of a session that this one is a test of
    os.environ["TMPDIR"] = private  # whatever starts this interpreter may have chosen another
    Guardian(socket.socket(fileno=fd), private, temporary).run()
