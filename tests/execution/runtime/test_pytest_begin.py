"""Whatever a guardian begins starts clean, and ends with it."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_begin import import_pytest

PROLOGUE = """
import json, os, signal, socket, sys
from pulseq.execution.runtime import pytest_begin
"""


def in_a_process(code: str, *options: str, **more: object) -> list[object]:
    """What a process says that may have signals, children and a search path of its own."""
    command = [sys.executable, *options, "-c", PROLOGUE + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, **more)  # type: ignore[call-overload]
    assert "" == done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_interpreter_with_pytest_is_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert import_pytest() is None


def test_an_interpreter_without_pytest_is_named(tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_text("raise ImportError('no such thing')")
    code = f"sys.path.insert(0, {str(Path.cwd())!r}); os.chdir({str(tmp_path)!r})"
    said = in_a_process(f"{code}; print(json.dumps(pytest_begin.import_pytest()))")
    assert [f"{sys.executable} has no pytest: no such thing"] == said


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_a_session_under_an_interpreter_without_pytest_is_refused(isolation: str, suite: Any, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = str(tmp_path / "bare" / "bin" / "python")
    run = suite({"test_a.py": "def test_a(): pass\n"}).run(isolation=isolation, python=python)
    assert f"{python} has no pytest: No module named 'pytest'" == run.collection.usage_error


def test_a_child_has_nothing_of_the_guardians_lines_and_signals() -> None:
    said = in_a_process("""
line, other = socket.socketpair()
waker, woken = socket.socketpair()
waker.setblocking(False)
signal.set_wakeup_fd(waker.fileno())
signal.signal(signal.SIGCHLD, lambda *_: None)
read, write = os.pipe()
pid = pytest_begin._fork([line.fileno(), waker.fileno()])
if pid == 0:
    closed = [not os.path.exists(f"/proc/self/fd/{fd}") for fd in (line.fileno(), waker.fileno(), other.fileno())]
    word = [closed, signal.set_wakeup_fd(-1), signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL]
    os.write(write, json.dumps(word).encode())
    os._exit(0)
os.waitpid(pid, 0)
print(os.read(read, 1000).decode())
""")
    assert [[[True, True, False], -1, True]] == said


@pytest.mark.processes
def test_a_child_ends_with_the_guardian() -> None:
    said = in_a_process("""
import select
read, write = os.pipe()
guardian = os.fork()
if guardian == 0:
    os.close(read)
    if pytest_begin._fork([]) == 0:
        os.write(write, b"r")
        signal.pause()
    signal.pause()
os.close(write)
os.read(read, 1)
os.kill(guardian, signal.SIGKILL)
os.waitpid(guardian, 0)
print(json.dumps(os.read(read, 1).decode()))  # the end of the pipe, which the child alone held
""")
    assert [""] == said


@pytest.mark.processes
def test_what_the_controller_leaves_lies_where_the_user_has_temporary_files() -> None:
    assert [None, "/users/own"] == in_a_process("""
from pulseq.execution.runtime import pytest_controller
for temporary in (None, "/users/own"):
    os.environ["TMPDIR"] = "/private"
    read, write = os.pipe()
    def say(line, request, private):
        os.write(write, json.dumps(os.environ.get("TMPDIR")).encode())
        os._exit(0)
    pytest_controller.run = say
    line, theirs = socket.socketpair()
    os.waitpid(pytest_begin.begin_controller([], theirs, {}, "/private", temporary), 0)
    print(os.read(read, 1000).decode(), flush=True)
""")
