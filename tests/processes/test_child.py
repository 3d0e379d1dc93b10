"""The inside of a child, with its owner's end of the line in the test's hand."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pulseq.execution.runtime import wire

HEAD = """
import select, threading
from pulseq.processes.child import has_been_told, leave_with_owner, read_configuration, tell_owner, watch_lifeline
"""


@contextmanager
def child(source: str) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen([sys.executable, "-c", HEAD + source], stdin=theirs, stderr=subprocess.PIPE)
        with process:
            try:
                yield process, ours
            finally:
                process.kill()


def end_of(child: tuple[subprocess.Popen[bytes], socket.socket], said: bytes) -> tuple[list[wire.Message], int]:
    """Send these bytes, hang up, and hear the child to its end."""
    process, line = child
    line.sendall(said)
    line.shutdown(socket.SHUT_WR)
    heard = list(iter(lambda: wire.receive(line), None))
    return heard, process.wait()


NOTHING = wire.encode({})


def test_the_first_message_is_the_configuration() -> None:
    message = {"port": 0, "name": "näme"}
    with child("select.select([0], [], []); tell_owner(read_configuration())") as started:
        assert end_of(started, wire.encode(message)) == ([message], 0)


def test_an_owner_that_leaves_before_it_has_said_anything_ends_the_child() -> None:
    with child("read_configuration(); tell_owner({})") as started:
        assert end_of(started, wire.encode({"port": 0})[:-1]) == ([], 0)


def test_the_end_of_the_lifeline_ends_the_child_wherever_it_is() -> None:
    with child("read_configuration(); watch_lifeline(lambda: None); threading.Event().wait()") as started:
        assert end_of(started, NOTHING) == ([], 0)


def test_last_things_are_done_first() -> None:
    source = "read_configuration(); watch_lifeline(lambda: tell_owner({'bye': 1})); threading.Event().wait()"
    with child(source) as started:
        assert end_of(started, NOTHING) == ([{"bye": 1}], 0)


def test_last_things_that_fail_do_not_keep_the_child() -> None:
    with child("read_configuration(); watch_lifeline(lambda: 1 / 0); threading.Event().wait()") as started:
        assert end_of(started, NOTHING) == ([], 0)


def test_a_line_that_ends_with_something_unread_ends_the_child_as_well() -> None:
    source = "read_configuration(); watch_lifeline(lambda: None); tell_owner({}); threading.Event().wait()"
    with child(source) as (process, line):
        line.sendall(NOTHING)
        line.recv(1)
        line.close()
        assert process.wait() == 0


def test_a_child_knows_whether_it_has_been_told() -> None:
    source = "before = has_been_told(); tell_owner({}); read_configuration(); tell_owner({'before': before})"
    with child(source) as (_, line):
        assert {} == wire.receive(line)
        line.sendall(NOTHING)
        assert {"before": False} == wire.receive(line)
    with child("select.select([0], [], []); tell_owner({'told': has_been_told()})") as (process, line):
        line.sendall(NOTHING)
        assert {"told": True} == wire.receive(line)
        assert process.wait() == 0


def test_a_child_that_has_not_been_told_leaves_with_its_owner() -> None:
    with child("leave_with_owner(); tell_owner({}); threading.Event().wait()") as (process, line):
        assert {} == wire.receive(line)
        line.close()
        assert process.wait() == 0


def test_one_that_has_been_told_goes_on_until_then() -> None:
    source = "leave_with_owner(); read_configuration(); tell_owner({'here': 1}); threading.Event().wait()"
    with child(source) as (process, line):
        line.sendall(NOTHING)
        assert {"here": 1} == wire.receive(line)
        line.close()
        assert process.wait() == 0
