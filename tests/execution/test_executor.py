import asyncio
import os
import platform
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pulseq.errors import InfrastructureError
from pulseq.execution import attempt as attempt_module
from pulseq.execution.executor import Executor
from pulseq.models import AttemptOrder, CallBody, CommandBody, PytestBody, Reason, Status, TestCase


@pytest.fixture
def in_executor(tmp_path):
    """`in_executor(scenario)` awaits `scenario(executor, order)`; `order(body, …)` makes an order."""

    def order(body, *, timeout=30, **fields):
        test = TestCase(body=body, **{"id": "test", "cwd": str(tmp_path), **fields})
        return AttemptOrder("run", test, 1, timeout)

    def run(scenario, **options):
        async def main():
            executor = Executor(node_id="node1", temp_root=tmp_path / "temp", **options)
            await executor.start()
            try:
                return await scenario(executor, order)
            finally:
                await executor.close()

        return asyncio.run(main())

    return run


def shell(line):
    return CommandBody((line,), shell=True)


async def until(condition):
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_many_attempts_run_at_once(in_executor):
    async def scenario(executor, order):
        orders = [order(CommandBody(("sh", "-c", f"exit {n % 3}")), id=str(n)) for n in range(30)]
        attempts = [await executor.start_attempt(each) for each in orders]
        return [await attempt.result() for attempt in attempts]

    results = in_executor(scenario)
    assert [(result.test_id, result.exit_code) for result in results] == [(str(n), n % 3) for n in range(30)]


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.TIMEOUT])
def test_a_stopped_attempt_ends_for_the_reason_given_first(in_executor, tmp_path, reason):
    async def scenario(executor, order):
        attempt = await executor.start_attempt(order(shell("echo up > up; sleep 300")))
        await until((tmp_path / "up").exists)
        attempt.stop(reason)
        attempt.stop(Reason.INTERNAL)
        return await attempt.result()

    result = in_executor(scenario)
    assert (result.status, result.reason) == (Status.ERROR, reason)
    assert str(reason) in result.error


def test_an_attempt_stopped_at_once_never_starts(in_executor, tmp_path):
    async def scenario(executor, order):
        attempt = await executor.start_attempt(order(shell("touch started")))
        attempt.stop(Reason.CANCELLED)
        return await attempt.result()

    assert in_executor(scenario).reason == Reason.CANCELLED
    assert not (tmp_path / "started").exists()


def test_a_stop_after_the_end_changes_nothing(in_executor):
    async def scenario(executor, order):
        attempt = await executor.start_attempt(order(CommandBody(("true",))))
        first = await attempt.result()
        attempt.stop(Reason.CANCELLED)
        return first, await attempt.result()

    first, second = in_executor(scenario)
    assert (first, first.status) == (second, Status.PASSED)


def test_cancelling_who_waits_does_not_stop_the_body(in_executor, tmp_path):
    async def scenario(executor, order):
        attempt = await executor.start_attempt(order(shell("while [ ! -e go ]; do sleep 0.01; done")))
        waiting = asyncio.create_task(attempt.result())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        (tmp_path / "go").touch()
        return await attempt.result()

    assert in_executor(scenario).status == Status.PASSED


def test_closing_ends_what_runs(in_executor, tmp_path):
    async def scenario(executor, order):
        attempt = await executor.start_attempt(order(shell("echo $$ > pid; sleep 300")))
        await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        await executor.close()
        return await attempt.result()

    assert in_executor(scenario).reason == Reason.CANCELLED
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_after_closing_nothing_can_be_started(in_executor):
    async def scenario(executor, order):
        await executor.close()
        await executor.start_attempt(order(CommandBody(("true",))))

    with pytest.raises(InfrastructureError, match="its executor is not running"):
        in_executor(scenario)


def test_a_killed_launcher_is_replaced(in_executor):
    async def scenario(executor, order):
        launcher = executor._launchers._launchers[sys.executable]
        os.kill(launcher.pid, signal.SIGKILL)
        attempt = await executor.start_attempt(order(CommandBody(("true",))))
        return await attempt.result()

    assert in_executor(scenario).status == Status.PASSED


@pytest.mark.parametrize("launcher", [".venv/bin/python", "no-such-python"])
def test_an_interpreter_that_is_missing_is_named(in_executor, launcher):
    async def scenario(executor, order):
        return await (await executor.start_attempt(order(CallBody("os:getpid"), python=launcher))).result()

    result = in_executor(scenario)
    assert (result.status, result.reason) == (Status.ERROR, Reason.SETUP)
    assert f"{launcher}' does not exist on this node" in result.error


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("#!/bin/sh\necho 'Python 3.9 or newer is needed, this is 3.6' >&2; exit 1", "Python 3.9 or newer is needed"),
        ("#!/bin/sh\nexit 7", "it ended with exit code 7"),
        ("#!/no/such/thing\n", "cannot start the interpreter"),
    ],
)
def test_an_interpreter_that_cannot_be_used_says_why(in_executor, tmp_path, content, problem):
    python = tmp_path / "python"
    python.write_text(content)
    python.chmod(0o755)

    async def scenario(executor, order):
        return await (await executor.start_attempt(order(CallBody("os:getpid"), python="./python"))).result()

    result = in_executor(scenario)
    assert (result.status, result.reason) == (Status.ERROR, Reason.SETUP)
    assert problem in result.error


def test_another_interpreter_is_used_for_calls(in_executor, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nMARK=other exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "checks.py").write_text("import os\ndef check(): print(os.environ.get('MARK'))")

    async def scenario(executor, order):
        outputs = []
        for fields in ({}, {"python": "./python"}):
            attempt = await executor.start_attempt(order(CallBody("checks:check"), **fields))
            outputs.append((await attempt.result()).output)
        return outputs

    assert in_executor(scenario) == ["None\n", "other\n"]


def test_calls_that_name_no_interpreter_get_the_node_s_for_them(in_executor, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nMARK=$MARK-other exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "checks.py").write_text("import os\ndef check(): print(os.environ.get('MARK'))")

    async def scenario(executor, order):
        bodies = [(CallBody("checks:check"), {}), (CallBody("checks:check"), {"python": sys.executable})]
        attempts = [
            await executor.start_attempt(order(body, **fields)) for body, fields in [*bodies, (shell("echo $MARK"), {})]
        ]
        return executor.call_version, [(await attempt.result()).output for attempt in attempts]

    for name in (str(python), "./python"):
        version, outputs = in_executor(scenario, call_python=name, environment={**os.environ, "MARK": "node"})
        assert outputs == ["node-other\n", "node\n", "node\n"]
        assert version == platform.python_version()


def test_an_interpreter_for_calls_that_is_missing_keeps_a_node_from_starting(tmp_path):
    executor = Executor(node_id="n", temp_root=tmp_path, call_python="/no/python")
    with pytest.raises(InfrastructureError, match="this node cannot run tests: the interpreter '/no/python'"):
        asyncio.run(executor.start())
    assert list(tmp_path.iterdir()) == []


def test_a_bare_name_is_looked_up_where_bodies_would_look(in_executor, tmp_path):
    python = tmp_path / "bin" / "own-python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    (tmp_path / "checks.py").write_text("def check(): pass")

    async def scenario(executor, order):
        return await (await executor.start_attempt(order(CallBody("checks:check")))).result()

    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    assert in_executor(scenario, call_python="own-python", environment=environment).status == Status.PASSED


def test_what_a_body_is_given_goes_after_the_node_s_and_before_its_own(in_executor):
    async def scenario(executor, order):
        given = replace(order(shell("echo $A $B $C"), env={"C": "test"}), variables={"B": "run", "C": "run"})
        return await (await executor.start_attempt(given)).result()

    environment = {"PATH": os.environ["PATH"], "A": "node", "B": "node", "C": "node"}
    assert in_executor(scenario, environment=environment).output == "node run test\n"


def test_a_keeper_that_keeps_another_body_forgets_the_secrets_of_the_one_before(in_executor):
    async def scenario(executor, order):
        orders = [replace(order(shell("echo hunter2")), secrets=secrets) for secrets in (["hunter2"], [], ["echo"])]
        return [(await (await executor.start_attempt(each)).result()).output for each in orders]

    assert in_executor(scenario) == ["***\n", "hunter2\n", "hunter2\n"]


def test_a_node_whose_own_interpreter_is_missing_cannot_start(tmp_path):
    executor = Executor(node_id="n", temp_root=tmp_path, default_python="/no/python")
    with pytest.raises(InfrastructureError, match="this node cannot run tests: the interpreter '/no/python'"):
        asyncio.run(executor.start())
    assert list(tmp_path.iterdir()) == []


def test_a_node_without_a_temporary_directory_cannot_start(tmp_path):
    (tmp_path / "file").touch()
    executor = Executor(node_id="n", temp_root=tmp_path / "file" / "temp")
    with pytest.raises(InfrastructureError, match="no temporary directory can be made in"):
        asyncio.run(executor.start())


def test_a_pytest_entry_is_refused_here(in_executor):
    async def scenario(executor, order):
        await executor.start_attempt(order(PytestBody(("tests",))))

    with pytest.raises(TypeError, match="PytestBody runs in no process of its own"):
        in_executor(scenario)


def test_bodies_get_the_environment_that_the_node_was_given(in_executor):
    async def scenario(executor, order):
        return await (await executor.start_attempt(order(shell("echo $MODE")))).result()

    assert in_executor(scenario, environment={"PATH": os.environ["PATH"], "MODE": "given"}).output == "given\n"


@pytest.mark.system
def test_a_body_that_stops_its_keeper_is_ended_all_the_same(in_executor, tmp_path, monkeypatch):
    monkeypatch.setattr(attempt_module, "KEEPER_SECONDS", 0.5)

    async def scenario(executor, order):
        line = "echo $$ > pid; kill -STOP $PPID; sleep 300"
        return await (await executor.start_attempt(order(shell(line), timeout=0.3))).result()

    assert in_executor(scenario).reason == Reason.TIMEOUT
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


@pytest.mark.system
def test_a_keeper_that_is_frozen_is_no_fault_of_its_body(in_executor):
    async def scenario(executor, order):
        body = shell("kill -STOP $PPID; sleep 0.3")
        orders = [order(body, timeout=None, id="without"), order(body, timeout=30, id="with")]
        attempts = [await executor.start_attempt(each) for each in orders]
        return [await attempt.result() for attempt in attempts]

    for result in in_executor(scenario):
        assert (result.status, result.reason) == (Status.ERROR, Reason.INTERNAL), result.test_id
        assert "was stopped (SIGSTOP)" in result.error


@pytest.mark.system
@pytest.mark.slow
def test_a_body_that_has_ended_under_a_frozen_keeper_was_not_too_slow(in_executor, monkeypatch):
    monkeypatch.setattr(attempt_module, "KEEPER_SECONDS", 0.5)

    async def scenario(executor, order):
        body = shell("kill -STOP $PPID; sleep 0.3")
        attempt = await executor.start_attempt(order(body, timeout=0.5))
        # As the node does it: Prefect's own timeout ends the body before its keeper would.
        asyncio.get_running_loop().call_later(0.5, attempt.stop, Reason.TIMEOUT)
        return await attempt.result()

    assert in_executor(scenario).reason == Reason.INTERNAL


@pytest.mark.system
def test_a_launcher_that_is_frozen_goes_on(in_executor):
    async def scenario(executor, order):
        launcher = executor._launchers._launchers[sys.executable]
        os.kill(launcher.pid, signal.SIGSTOP)
        return await (await executor.start_attempt(order(CommandBody(("true",))))).result()

    assert in_executor(scenario).status == Status.PASSED


@pytest.mark.system
def test_a_launcher_that_begins_nothing_is_replaced(in_executor, monkeypatch):
    monkeypatch.setattr(attempt_module, "BEGIN_SECONDS", 0.5)

    async def scenario(executor, order):
        launcher = executor._launchers._launchers[sys.executable]
        os.kill(launcher.pid, signal.SIGSTOP)
        result = await (await executor.start_attempt(order(CommandBody(("true",))))).result()
        return result, launcher, executor._launchers._launchers[sys.executable]

    result, before, after = in_executor(scenario)
    assert result.status == Status.PASSED
    assert before is not after


@pytest.mark.system
def test_nothing_of_a_launcher_that_is_frozen_outlives_its_node(in_executor, tmp_path):
    async def scenario(executor, order):
        launcher = executor._launchers._launchers[sys.executable]
        await executor.start_attempt(order(shell("echo $$ > pid; sleep 300")))
        await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        os.kill(launcher.pid, signal.SIGSTOP)
        return launcher.pid

    launcher = in_executor(scenario)
    assert not Path("/proc", str(launcher)).exists()
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


@pytest.mark.system
@pytest.mark.slow
def test_a_keeper_that_is_frozen_before_it_has_its_order_goes_on(in_executor):
    async def scenario(executor, order):
        launcher = executor._launchers._launchers[sys.executable]
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                await launcher.place("command", theirs)
            await until(lambda: children.read_text().split())
            keeper = psutil.Process(int(children.read_text().split()[0]))
            keeper.suspend()
            await until(lambda: keeper.status() == psutil.STATUS_STOPPED)
            await until(lambda: keeper.status() != psutil.STATUS_STOPPED)
        await until(lambda: not children.read_text().split())

    in_executor(scenario)


@pytest.mark.system
def test_a_test_that_never_began_was_not_too_slow(in_executor, monkeypatch):
    monkeypatch.setattr(attempt_module, "KEEPER_SECONDS", 0.0)

    async def scenario(executor, order):
        launcher = executor._launchers._launchers[sys.executable]
        os.kill(launcher.pid, signal.SIGSTOP)
        attempt = await executor.start_attempt(order(CommandBody(("true",))))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.2, attempt.stop, Reason.TIMEOUT)
        return await attempt.result()

    assert in_executor(scenario).reason == Reason.INTERNAL
