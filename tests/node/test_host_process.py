"""The program on a host, spoken with over a socket as over ssh."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulseq.execution.runtime import wire
from pulseq.node.host_process import sweep
from pulseq.protocol.host import (
    MARK,
    Beat,
    FindPort,
    HostHello,
    NodeEnded,
    PortFound,
    StartNode,
    StopNode,
    from_host,
    to_line,
)
from tests.system.workplace import until

pytestmark = pytest.mark.processes


class Program:
    """One that runs; what it has said so far was read."""

    def __init__(self, temporary: Path) -> None:
        self.line, theirs = socket.socketpair()
        self.line.settimeout(30)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "pulseq.node.host_process", "1"],
                stdin=theirs,
                stdout=theirs,
                stderr=subprocess.PIPE,
                env={**os.environ, "TMPDIR": str(temporary)},
            )
        heard = b""
        while not heard.endswith(MARK):
            heard += self.line.recv(1)

    def hear(self) -> object:
        message = wire.receive(self.line)
        assert message is not None
        return from_host(message)

    def end(self) -> str:
        """Its last words."""
        _, errors = self.process.communicate(timeout=30)
        return str(errors.decode())


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    try:
        yield program
    finally:
        program.line.close()
        program.process.kill()
        program.process.communicate()


def test_it_says_what_is_there_and_answers(program: Program, tmp_path: Path) -> None:
    hello = program.hear()
    assert isinstance(hello, HostHello)
    assert hello.processors == len(os.sched_getaffinity(0))
    wire.send(program.line, to_line(FindPort("a")))
    found = program.hear()
    assert isinstance(found, PortFound)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", found.port))
    wire.send(program.line, to_line(StopNode("nobody")))
    assert program.hear() == NodeEnded("nobody", 0, "")
    assert [path.stat().st_mode & 0o777 for path in tmp_path.glob("pulseq-*")] == [0o700]


def test_no_two_nodes_are_told_one_port(program: Program) -> None:
    program.hear()
    ports = []
    for number in range(500):  # of some 14,000 that the system takes in turn, by chance
        wire.send(program.line, to_line(FindPort(f"n{number}")))
        found = program.hear()
        assert isinstance(found, PortFound)
        ports.append(found.port)
    assert len(set(ports)) == 500


def test_it_ends_with_its_owner_and_leaves_nothing(program: Program, tmp_path: Path) -> None:
    program.hear()
    program.line.shutdown(socket.SHUT_WR)
    assert program.end() == ""
    assert program.process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_what_it_leaves_goes_where_it_is_killed(program: Program, tmp_path: Path) -> None:
    program.hear()
    wire.send(program.line, to_line(FindPort("a")))
    program.hear()  # what nodes are forked from is there by then
    assert list(tmp_path.iterdir())
    program.process.kill()
    until(lambda: not any(tmp_path.iterdir()), "nothing of it is left")


def test_it_removes_what_a_node_had_no_time_to_remove(program: Program, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    leave = (
        "import os, sys; from pathlib import Path; from pulseq.node.workspaces import Workspaces\n"
        "claim = Workspaces(Path(sys.argv[1])).claim('dead', '/p'); (claim.place / 'f').write_text('x'); os._exit(0)"
    )
    program.hear()
    wire.send(program.line, to_line(StartNode("a", {"directory": str(kept)})))  # too little for a node
    assert isinstance(program.hear(), NodeEnded)
    subprocess.run([sys.executable, "-c", leave, str(kept / "w")], check=True)
    assert any((kept / "w").rglob("f"))

    program.line.shutdown(socket.SHUT_WR)
    program.end()

    assert ["deciding"] == [path.name for path in (kept / "w").rglob("*")]


def test_it_ends_when_nobody_says_anything(program: Program, tmp_path: Path) -> None:
    program.hear()
    wire.send(program.line, to_line(Beat(0.2)))
    assert "has said nothing for 0.2 s" in program.end()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_message_ends_it_with_a_line(program: Program) -> None:
    program.hear()
    wire.send(program.line, {"type": "no such"})
    assert "no message" in program.end()
    assert program.process.returncode == 1


def test_what_killed_ones_have_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("pulseq-dead", "pulseq-alive", "others-dead"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "host.lock").touch()
    (tmp_path / "pulseq-node").mkdir()
    with open(tmp_path / "pulseq-alive" / "host.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"pulseq-alive", "others-dead", "pulseq-node"}
