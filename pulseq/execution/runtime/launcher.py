"""Forks a keeper for every attempt that its node sends; one launcher per node and interpreter.

It has one thread and was started by exec, so that its forks are safe whatever threads the
node has. The end of its line to the node means: end everything below, then itself.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import shutil
import socket
import sys
import time
from typing import Set

from . import wire
from .body_ending import outcome, unstarted
from .forking import fork_into
from .keeper import BODY_MODULES, keep
from .process_tree import (
    ChildSignal,
    Ended,
    become_subreaper,
    continue_when_orphaned,
    kill_descendants,
    reap,
    send_signals,
)
from .stopped import LOOKS, StoppedLooks

_LAST_KEEPERS_SECONDS = 1.5
#: How long new attempts may wait for the end of what a keeper that was killed has left.
_STRAYS_SECONDS = 2.0


def main(fd: int) -> None:
    """Serve the node at the other end of the socket `fd` until it goes away."""
    control = socket.socket(fileno=fd)
    control.set_inheritable(False)
    continue_when_orphaned()
    become_subreaper()
    wire.send(control, {"op": "ready", "version": list(sys.version_info[:3]), "executable": sys.executable})
    hello, _ = wire.receive_packet(control)
    if hello is not None:
        Launcher(control).serve()
        shutil.rmtree(hello["temp_root"], ignore_errors=True)


class Launcher:
    """The loop: a message with a socket means a new attempt, SIGCHLD the end of one."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._base = dict(os.environ)
        self._keepers: Set[int] = set()
        self._ends = ChildSignal()
        self._died = False
        #: Of keepers that have not begun, which the node cannot know: it sees to the others before this does.
        self._looks = StoppedLooks(looks=2 * LOOKS)

    def serve(self) -> None:
        """Until the node is gone; then nothing is left below."""
        fds = select.poll()
        fds.register(self._control, select.POLLIN)
        fds.register(self._ends.fd, select.POLLIN)
        node_is_there = True
        while node_is_there:
            seconds = self._looks.seconds_left(time.monotonic())
            ready = {descriptor for descriptor, _ in fds.poll(None if seconds is None else seconds * 1000 + 1)}
            for pid, number in self._looks.look(time.monotonic(), (os.getpid(),)):
                send_signals([pid], number)
            if self._ends.fd in ready:
                self._reap()
            if self._control.fileno() in ready:
                node_is_there = self._take()
        self._finish()

    def _take(self) -> bool:
        """Take one attempt from the node; False when the node is gone."""
        try:
            message, descriptors = wire.receive_packet(self._control, 1)
        except OSError:
            return False
        if message is None:
            return False
        if descriptors:  # none where this process may have no more: the node hears the end of its line
            with socket.socket(fileno=descriptors[0]) as line:
                self._prepare(BODY_MODULES[message["kind"]])
                self._fork(line)
        return True

    def _prepare(self, module: str) -> None:
        """Import what the body needs here, once, and not in every fork."""
        name = f"{__package__}.{module}"
        if name not in sys.modules:
            importlib.import_module(name)
            # What forks share stays shared only as long as no garbage collection writes to it.
            gc.freeze()

    def _fork(self, line: socket.socket) -> None:
        try:
            pid = fork_into(lambda: self._become_keeper(line))
        except OSError as error:
            _refuse(line, error)
            return
        self._keepers.add(pid)
        self._looks.watch(pid)

    def _become_keeper(self, line: socket.socket) -> None:
        self._ends.close()
        self._control.close()
        keep(line, self._base)

    def _reap(self) -> None:
        self._ends.clear()
        reap(self._note)
        if self._died:
            # A keeper was killed, and what it kept is now below this process: nobody else would end it.
            self._died = False
            kill_descendants(0, spare=self._keepers, record=self._note, limit_seconds=_STRAYS_SECONDS)

    def _note(self, ended: Ended) -> None:
        if ended.pid in self._keepers:
            self._keepers.discard(ended.pid)
            self._died = self._died or ended.status != 0

    def _finish(self) -> None:
        """The keepers see the node's end by themselves; give them the time to clear away."""
        deadline = time.monotonic() + _LAST_KEEPERS_SECONDS
        while reap() and time.monotonic() < deadline:
            select.select([self._ends.fd], [], [], 0.05)
            self._ends.clear()
        kill_descendants(0)


def _refuse(line: socket.socket, error: OSError) -> None:
    """Tell the node that no keeper could be forked."""
    problem = outcome("error", "internal", f"the node could not start a process: {error}")
    try:
        wire.send(line, unstarted(problem))
    except OSError:
        return
