"""Stands between a zygote and the nodes that share it, and sees to it that nothing outlives the last of them.

The zygote is deaf while user code is collected, so it is the guardian that takes connections, hears that a
node has gone, and ends everything when the last one has. It has a session of its own: the node that had it
started may die, or leave, while others still fork from it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
from typing import Dict, NoReturn, Optional, Set

from . import process_tree, wire
from .output import read_file

#: The other end has closed its line, or said that nothing more will come.
_GONE = select.POLLHUP | select.POLLERR | select.POLLRDHUP

#: So much of what was printed goes into any socket, however it is escaped.
_SAID_CHARACTERS = 8 * 1024


class Guardian:
    """The loop of a guardian, from the fork of its zygote to the end of both.

    Args:
        listener: where nodes connect.
        zygote: the number of the child that collects.
        lines: the way to it, by which it gets the connections.
        private: a directory of the zygote's, which lies beside the listener's name and is removed after it; None
            where it is not known.
    """

    def __init__(self, listener: socket.socket, zygote: int, lines: socket.socket, private: Optional[str]) -> None:
        self._listener = listener
        self._zygote = zygote
        self._lines = lines
        self._private = private
        self._nodes: Dict[int, socket.socket] = {}
        self._statuses: Dict[int, int] = {}

    def run(self) -> NoReturn:
        """Until the last node or the zygote has gone; then everything below is ended."""
        process_tree.become_subreaper()
        child_signal = process_tree.ChildSignal()
        process_tree.reap(self._note)  # of an end before that nobody would hear
        self._printed = os.dup(1)
        silence_standard_files()
        self._listener.setblocking(False)
        # Who had us started is in the queue already.
        self._take_connections()
        while self._nodes and self._zygote not in self._statuses:
            poll = select.poll()
            poll.register(child_signal.fd, select.POLLIN)
            poll.register(self._listener.fileno(), select.POLLIN)
            for descriptor in self._nodes:
                poll.register(descriptor, select.POLLRDHUP)
            gone = {descriptor for descriptor, events in poll.poll() if events & _GONE}
            self._take_connections()
            if gone >= self._nodes.keys():
                # Their lines end with this process: by then all below it is gone, and the name is.
                break
            self._drop(gone)
            child_signal.clear()
            process_tree.reap(self._note)
        self._end()

    def _take_connections(self) -> None:
        while True:
            try:
                node, _ = self._listener.accept()
            except OSError:
                return
            try:
                # Greeted last: a node that was not will look for another zygote.
                socket.send_fds(self._lines, [b"\0"], [node.fileno()])
                wire.send(node, {"op": "guarded", "pid": os.getpid()})
            except OSError:
                node.close()
            else:
                self._nodes[node.fileno()] = node

    def _drop(self, gone: Set[int]) -> None:
        for descriptor in gone & self._nodes.keys():
            node = self._nodes.pop(descriptor)
            with contextlib.suppress(OSError):
                # It waits for the end of its line, which the zygote, or what a suite has forked, may hold, too.
                node.shutdown(socket.SHUT_RDWR)
            node.close()

    def _note(self, ended: process_tree.Ended) -> None:
        self._statuses[ended.pid] = ended.status

    def _end(self) -> NoReturn:
        # First of all: whoever finds nothing there has a zygote of its own started.
        if self._private is not None:
            name = os.path.basename(self._listener.getsockname())
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(os.path.dirname(self._private), name))
        self._listener.close()
        died = self._zygote in self._statuses
        process_tree.kill_descendants(0, record=self._note)
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)
        if died:
            code = os.waitstatus_to_exitcode(self._statuses[self._zygote])
            message = {"op": "ended", "exit_code": code, "printed": self._last_words()}
            for node in self._nodes.values():
                node.setblocking(False)
                with contextlib.suppress(OSError):
                    wire.send(node, message)
        os._exit(0)

    def _last_words(self) -> str:
        try:
            return read_file(self._printed)[-_SAID_CHARACTERS:]
        except OSError:  # it is no file: something between the node and this process reads it
            return ""


def silence_standard_files() -> None:
    """Let go of standard input, output and error: whoever reads them waits for their last holder."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
