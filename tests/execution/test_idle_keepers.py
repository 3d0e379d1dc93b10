"""A keeper keeps one body after the other, as long as each leaves it as it was."""

import asyncio
import os
import signal
import socket
import sys

import psutil
import pytest

from pulseq.execution.attempt_result import order_message
from pulseq.execution.executor import Executor
from pulseq.execution.launchers import LauncherPool, LauncherProcess
from pulseq.execution.runtime import keeper as runtime_keeper
from pulseq.execution.runtime import wire
from pulseq.execution.runtime.stopped import LOOK_SECONDS, LOOKS
from pulseq.models import AttemptOrder, CallBody, CommandBody, Reason, Status, TestCase
from pulseq.processes import stopped_watch

#: Prints who keeps it and where its temporary files are.
TELL = CommandBody(("echo $PPID $TMPDIR",), shell=True)


@pytest.fixture
def run_bodies(tmp_path):
    """`run_bodies(steps)`: each step is a body, or called with the result before; the results of the bodies."""

    async def main(steps, seconds):
        executor = Executor(node_id="node1", temp_root=tmp_path / "temp")
        await executor.start()
        results = []
        try:
            for step in steps:
                if callable(step):
                    step(results[-1])
                else:
                    test = TestCase(body=step, id=str(len(results)), cwd=str(tmp_path))
                    attempt = await executor.start_attempt(AttemptOrder("run", test, 1, seconds))
                    results.append(await attempt.result())
        finally:
            await executor.close()
        return results

    return lambda *steps, timeout=30: asyncio.run(main(steps, timeout))


def keeper_of(result):
    return int(result.output.split()[0])


def test_one_after_the_other_they_have_one_keeper(run_bodies):
    results = run_bodies(TELL, CommandBody(("false",)), TELL, TELL)
    assert [result.status for result in results] == [Status.PASSED, Status.FAILED, Status.PASSED, Status.PASSED]
    assert len({results[0].output, results[2].output, results[3].output}) == 1


def test_bodies_of_all_kinds_share_it(run_bodies, tmp_path):
    (tmp_path / "asked.py").write_text(
        "import os\n\n\ndef who():\n    print(os.getppid())\n    os.environ['LEFT'] = '1'\n"
    )
    called = CallBody("asked:who", (), {})
    first, second, third = run_bodies(TELL, called, CommandBody(("echo $PPID; env",), shell=True))
    assert keeper_of(first) == keeper_of(second) == keeper_of(third)
    assert "LEFT" not in third.output


@pytest.mark.parametrize(
    "leaving",
    [
        "touch $TMPDIR/file",
        "echo '{}' > $PULSEQ_METRICS",
        "touch $TMPDIR/../beside",
        "chmod 500 $TMPDIR",
        "rmdir $TMPDIR",
        "rmdir $TMPDIR; ln -s / $TMPDIR",
    ],
)
def test_what_a_body_leaves_in_its_directory_the_next_one_does_not_find(run_bodies, leaving):
    listing = "echo $TMPDIR; stat -c %a $TMPDIR; cd $TMPDIR/..; ls -A . tmp"
    before, left, after = run_bodies(*[CommandBody((line,), shell=True) for line in (listing, leaving, listing)])
    assert left.status is Status.PASSED
    (first, *was), (second, *found) = before.output.splitlines(), after.output.splitlines()
    assert first != second
    assert found == was


def test_processes_that_a_body_left_are_not_those_of_the_next(run_bodies):
    left, after = run_bodies(CommandBody(("sleep 300 & echo $PPID",), shell=True), TELL)
    assert left.leaked_processes == 1
    assert (after.status, after.leaked_processes) == (Status.PASSED, 0)


def test_measures_begin_anew(run_bodies):
    busy = CommandBody((sys.executable, "-c", "x = bytearray(200 << 20); print('o' * 1000)"))
    first, second = run_bodies(busy, TELL)
    assert first.metrics["memory_usage"] > 200 > 50 > second.metrics["memory_usage"]
    assert second.output_bytes == len(second.output)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_is_killed_while_it_waits_takes_no_test_along(run_bodies, number):
    def end(result):
        process = psutil.Process(keeper_of(result))
        process.send_signal(number)
        psutil.wait_procs([process], timeout=10)

    first, second = run_bodies(TELL, end, TELL)
    assert (second.status, second.reason) == (Status.PASSED, None)
    assert keeper_of(first) != keeper_of(second)


def test_one_that_is_stopped_while_it_waits_is_continued(run_bodies, monkeypatch):
    monkeypatch.setattr(stopped_watch, "LOOK_SECONDS", 0.05)

    def stop(result):
        os.kill(keeper_of(result), signal.SIGSTOP)

    first, second = run_bodies(TELL, stop, TELL, timeout=LOOK_SECONDS * LOOKS * 10)
    assert (second.status, keeper_of(second)) == (Status.PASSED, keeper_of(first))


def test_after_a_timeout_there_is_a_new_one(run_bodies):
    results = run_bodies(TELL, CommandBody(("sleep", "300")), TELL, timeout=0.5)
    assert [result.reason for result in results] == [None, Reason.TIMEOUT, None]


def test_a_stop_that_comes_while_a_keeper_is_being_placed_is_heeded(tmp_path, monkeypatch):
    """A launcher that is busy, or stopped, takes a while to take an attempt."""
    placing, may_place = asyncio.Event(), asyncio.Event()
    place = LauncherProcess.place

    async def place_late(launcher, kind, line):
        placing.set()
        await may_place.wait()
        await place(launcher, kind, line)

    async def main():
        executor = Executor(node_id="node1", temp_root=tmp_path / "temp")
        await executor.start()
        try:
            test = TestCase(body=CommandBody(("touch began",), shell=True), id="t", cwd=str(tmp_path))
            attempt = await executor.start_attempt(AttemptOrder("run", test, 1, None))
            await placing.wait()
            attempt.stop(Reason.CANCELLED)
            may_place.set()
            return await attempt.result()
        finally:
            await executor.close()

    monkeypatch.setattr(LauncherProcess, "place", place_late)
    assert asyncio.run(main()).reason is Reason.CANCELLED
    assert not (tmp_path / "began").exists()


def test_a_body_whose_stop_comes_together_with_its_order_is_not_started(tmp_path):
    order = AttemptOrder("run", TestCase(body=CommandBody(("touch began",), True), id="t", cwd=str(tmp_path)), 1, None)
    message = order_message(order, node_id="n", temp_root=str(tmp_path / "bodies"), python_folder="/")

    async def main():
        pool = LauncherPool(tmp_path, {"PATH": os.environ["PATH"]})
        here, there = socket.socketpair()
        try:
            with here, there:
                here.sendall(wire.encode(message) + wire.encode({"op": "stop", "reason": "cancelled"}))
                await (await pool.get(sys.executable)).place("command", there)
                told = [await asyncio.to_thread(wire.receive, here) for _ in range(3)]
        finally:
            await pool.close()
        return told

    started, result, clear = asyncio.run(main())
    assert (started["op"], result["reason"], clear["op"]) == ("started", "cancelled", "clear")
    assert not (tmp_path / "began").exists()


def test_none_grows_old(run_bodies, monkeypatch):
    assert runtime_keeper.MOST_BODIES > 1
    results = run_bodies(*[TELL] * (runtime_keeper.MOST_BODIES + 1))
    assert len({keeper_of(result) for result in results}) == 2


def test_none_outlives_its_executor(run_bodies):
    (result,) = run_bodies(TELL)
    assert not psutil.pid_exists(keeper_of(result))
