"""Programs that are started, each in a session of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pulseq.execution.runtime import wire
from pulseq.processes.spawn import open_log, spawn, spawn_module


def run_to_its_end(program: str, log: Path, **options: str) -> int:
    with open_log(log) as errors:
        pid = spawn([sys.executable, "-c", program], environment={**os.environ, "WORD": "w"}, errors=errors, **options)  # type: ignore[arg-type]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_program_has_a_session_and_what_it_was_given(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getsid(0) == os.getpid(), os.environ['WORD'], os.getcwd(), file=sys.stderr)"
    assert run_to_its_end(program, tmp_path / "logs/one.log", cwd=str(tmp_path)) == 0
    assert (tmp_path / "logs/one.log").read_text() == f"True w {tmp_path}\n"


def test_it_reads_nothing_and_what_it_prints_is_dropped(tmp_path: Path) -> None:
    assert run_to_its_end("import sys; sys.exit(print(sys.stdin.read()) or 3)", tmp_path / "log") == 3
    assert (tmp_path / "log").read_text() == ""


def test_a_program_that_is_none_is_refused(tmp_path: Path) -> None:
    with open_log(tmp_path / "log") as errors, pytest.raises(FileNotFoundError):
        spawn([str(tmp_path / "gone")], environment={}, errors=errors)


def test_a_module_has_its_line_as_its_standard_input(tmp_path: Path) -> None:
    (tmp_path / "echoes.py").write_text(
        "import os, socket, sys\nsys.stderr.write(os.environ['WORD'])\nline = socket.socket(fileno=0)\n"
        "line.sendall(line.recv(1000))\n"
    )
    pid, line = spawn_module(
        "echoes", log_path=tmp_path / "log", environment={"PYTHONPATH": str(tmp_path), "WORD": "w"}
    )
    with line:
        wire.send(line, {"op": "hello"})
        assert (wire.receive(line), wire.receive(line)) == ({"op": "hello"}, None)
    os.waitpid(pid, 0)
    assert (tmp_path / "log").read_text() == "w"


def test_who_starts_a_program_may_forget_it() -> None:
    """No warning of a process that still runs: it is a handle's to wait for it."""
    forget = (
        "import os, sys; from pulseq.processes.spawn import spawn\n"
        "pid = spawn(['true'], environment={}, errors=sys.stderr.buffer)\n"
        "os.waitpid(pid, 0)"
    )
    told = subprocess.run([sys.executable, "-W", "error", "-c", forget], capture_output=True, check=True)
    assert told.stderr == b""
