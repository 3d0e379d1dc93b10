import ast
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import pulseq.execution.runtime as runtime
from pulseq.execution.attempt_result import from_message
from pulseq.execution.runtime.launcher import _refuse
from pulseq.execution.runtime.wire import MessageBuffer
from pulseq.models import AttemptOrder, CallBody, CommandBody, Reason, Status, TestCase
from tests.promises import DEAD_WITH_NODE_SECONDS

FOLDER = Path(runtime.__file__).parent
_FIND_PYTHON = Path(__file__).parents[3] / ".ci" / "find_python"
NODE = """
import asyncio, sys
from pathlib import Path
from pulseq.execution.executor import Executor
from pulseq.models import AttemptOrder, CommandBody, TestCase

async def main():
    executor = Executor(node_id="n", temp_root=Path("temp"))
    await executor.start()
    line = "trap '' TERM; echo $$ $PPID >> pids; setsid sh -c 'echo $$ >> pids; sleep 300' & sleep 300"
    orders = [AttemptOrder("r", TestCase(str(n), CommandBody((line,), True), cwd=sys.argv[1])) for n in range(2)]
    attempts = [await executor.start_attempt(order) for order in orders]
    print(executor._launchers._launchers[sys.executable].pid, flush=True)
    await asyncio.gather(*(attempt.result() for attempt in attempts))

asyncio.run(main())
"""


@pytest.fixture
def node(tmp_path, wait_until):
    """A node in a process of its own with two bodies: the process, its launcher, and all pids below."""
    process = subprocess.Popen(
        [sys.executable, "-c", NODE, tmp_path], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    launcher = int(process.stdout.readline())
    path = tmp_path / "pids"
    wait_until(lambda: path.exists() and len(path.read_text().split()) == 6)
    below = [int(word) for word in path.read_text().split()]
    yield process, launcher, below
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in below))


@pytest.mark.processes
def test_when_the_node_is_killed_everything_below_it_dies(node, wait_until, is_alive, tmp_path):
    process, launcher, below = node
    process.kill()
    wait_until(lambda: not any(map(is_alive, [launcher, *below])), seconds=DEAD_WITH_NODE_SECONDS)
    wait_until(lambda: list((tmp_path / "temp").iterdir()) == [])


@pytest.mark.processes
def test_when_launcher_and_node_are_killed_everything_dies_as_well(node, wait_until, is_alive):
    process, launcher, below = node
    os.kill(launcher, signal.SIGKILL)
    process.kill()
    wait_until(lambda: not any(map(is_alive, [launcher, *below])), seconds=DEAD_WITH_NODE_SECONDS)


@pytest.mark.processes
def test_when_the_launcher_alone_is_killed_the_bodies_go_on(node, wait_until, is_alive):
    _, launcher, below = node
    os.kill(launcher, signal.SIGKILL)
    wait_until(lambda: not is_alive(launcher))
    assert all(map(is_alive, below))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_what_runs_under_a_foreign_interpreter_is_python_3_9_and_standard_library(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
    }
    allowed = {"pytest", "_pytest", "pluggy"} if path.stem.startswith("pytest_") else set()
    assert imported - set(sys.stdlib_module_names) <= allowed


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_a_callable_runs_under_another_python(run_body, verdict, version, tmp_path):
    found = subprocess.run([_FIND_PYTHON, version], capture_output=True, text=True)
    if found.returncode != 0:
        pytest.skip(f"there is no python{version} on this machine")
    code = "import sys, pulseq\ndef check():\n    print(sys.version_info[:2])\n    pulseq.metric('x', 1)"
    (tmp_path / "cwd" / "checks.py").write_text(code)
    result = run_body(CallBody("checks:check"), python=found.stdout.strip())
    assert (verdict(result), result.metrics["x"]) == (("passed", None), 1.0)
    assert result.output == f"({version.replace('.', ', ')})\n"


@pytest.mark.processes
def test_the_launcher_ends_when_its_line_does(tmp_path):
    code = """
    import json, socket, subprocess, sys
    here, there = socket.socketpair()
    process = subprocess.Popen([sys.executable, sys.argv[1], "launcher", "--fd", str(there.fileno())],
                               pass_fds=[there.fileno()])
    there.close()
    greeting = here.recv(1000)[4:]
    here.close()
    print(json.dumps([json.loads(greeting)["op"], process.wait(20)]))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), FOLDER / "__main__.py"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(said) == ["ready", 0]


@pytest.mark.parametrize("arguments", [[], ["launcher"], ["launcher", "--what", "3"]])
def test_a_program_started_wrongly_says_what_it_expected(arguments):
    command = [sys.executable, FOLDER / "__main__.py", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (finished.returncode, finished.stderr.startswith("expected PROGRAM --fd N, found")) == (1, True)


def test_a_fork_that_the_machine_refuses_is_told_as_what_it_is():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _refuse(theirs, BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
        (message,) = MessageBuffer().feed(ours.recv(100_000))
    result = from_message(AttemptOrder("r", TestCase("t", CommandBody(("true",)))), "n", message)
    assert (result.status, result.reason) == (Status.ERROR, Reason.INTERNAL)
    assert result.error == "the node could not start a process: [Errno 11] Resource temporarily unavailable"
