"""What the kernel ends for want of memory: counted in files of a made-up machine, and in a real control group."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import AttemptResult, Reason, Status
from pulseq.node.machine_failures import LEAST_FREE_BYTES, MachineMemory, blame, blame_for_collection, blame_machine
from pulseq.pytest_sessions import Collection
from tests.control_group import little_memory

ROOT = Path(__file__).parents[2]

MACHINE_BYTES = 100_000_000


def result(
    reason: Reason | None = Reason.CRASH,
    *,
    ended_by: int | None = signal.SIGKILL,
    exit_code: int | None = None,
    held: float = 1.0,
) -> AttemptResult:
    status = Status.PASSED if reason is None else Status.ERROR
    metrics = {"memory_usage": held}
    return AttemptResult(
        "t", 1, "n", status, reason=reason, error="no", signal=ended_by, exit_code=exit_code, metrics=metrics
    )


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


#: A machine of each kind, and the file in which it counts.
COUNTERS = {
    "version 2": ("0::/jobs/mine\n", "sys/fs/cgroup/jobs/memory.events", "low 0\noom 3\noom_kill {}\n"),
    "version 1": (
        "4:memory:/jobs\n",
        "sys/fs/cgroup/memory/jobs/memory.oom_control",
        "oom_kill_disable 0\noom_kill {}\n",
    ),
    "no group": ("", "proc/vmstat", "pgfault 7\noom_kill {}\n"),
}


@pytest.fixture(params=COUNTERS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str, str]:
    """A machine on which the kernel has ended two processes."""
    groups, file, text = COUNTERS[request.param]
    write(tmp_path, "proc/self/cgroup", groups)
    write(tmp_path, file, text.format(2))
    return tmp_path, file, text


def test_an_innocent_that_is_ended_for_want_of_memory_is_lost_with_its_machine(machine: tuple[Path, str, str]) -> None:
    root, file, text = machine
    memory = MachineMemory(root)
    before = memory.kills()
    write(root, file, text.format(3))

    judged = memory.judge(result(), before)

    assert (judged.status, judged.reason) == (Status.ERROR, Reason.NODE_LOST)
    assert judged.error is not None
    assert judged.error.startswith("its machine ran out of memory, and the kernel ended it; it held 1.0 of ")


def test_who_is_killed_while_nothing_is_ended_for_want_of_memory_has_crashed(machine: tuple[Path, str, str]) -> None:
    memory = MachineMemory(machine[0])
    assert memory.judge(result(), memory.kills()) == result()


@pytest.mark.parametrize(
    "other",
    [
        result(None, ended_by=None),
        result(Reason.TIMEOUT),
        result(Reason.MEMORY),
        result(ended_by=signal.SIGSEGV),
        result(ended_by=None, exit_code=1),
    ],
)
def test_what_ended_otherwise_stays_what_it_is(machine: tuple[Path, str, str], other: AttemptResult) -> None:
    root, file, text = machine
    memory = MachineMemory(root)
    before = memory.kills()
    write(root, file, text.format(3))
    assert memory.judge(other, before) == other


def test_a_machine_that_counts_nothing_tells_nothing(tmp_path: Path) -> None:
    memory = MachineMemory(tmp_path)
    assert memory.judge(result(), memory.kills()) == result()


@given(st.floats(0, 200))
def test_whoever_held_half_of_the_memory_is_to_blame(held: float) -> None:
    expected = Reason.MEMORY if held >= 50 else Reason.NODE_LOST
    assert blame(result(held=held), MACHINE_BYTES).reason is expected


#: A node with an innocent body that holds some of its memory, and what the body's attempt came to.
NODE = """
import asyncio, sys
from pathlib import Path
from pulseq.node.machine_failures import MachineMemory
from pulseq.execution.executor import Executor
from pulseq.models import AttemptOrder, CommandBody, TestCase
from tests.control_group import enter, take_all

group = Path(sys.argv[1])
enter(group)
BODY = CommandBody((sys.executable, "-S", "-c", "import time; held = b'x' * (32 << 20); time.sleep(300)"))

async def main():
    memory = MachineMemory()
    executor = Executor(node_id="n", temp_root=Path("temp"))
    await executor.start()
    kills = memory.kills()
    attempt = await executor.start_attempt(AttemptOrder("r", TestCase("t", BODY), 1, 300.0))
    await asyncio.to_thread(take_all, group)
    result = memory.judge(await attempt.result(), kills)
    print(result.reason, result.signal, flush=True)
    await executor.close()

asyncio.run(main())
"""


@pytest.mark.processes
def test_an_innocent_body_in_a_full_group_is_not_taken_for_a_crash(tmp_path: Path) -> None:
    with little_memory(100 << 20) as group:
        told = subprocess.run(
            [sys.executable, "-c", NODE, str(group)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            capture_output=True,
            text=True,
            check=False,
        )
    assert told.stdout.split() == ["node_lost", "9"], told.stderr


def failed(reason: Reason | None = Reason.SETUP, *, held: float = 0.0, **more: Any) -> AttemptResult:
    status = Status.PASSED if reason is None else Status.ERROR
    return AttemptResult("t", 1, "n", status, reason=reason, error="no", metrics={"memory_usage": held}, **more)


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    usage = type(shutil.disk_usage("/"))(2 * count, count, count)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_what_cannot_begin_on_a_full_disk_is_lost_with_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, LEAST_FREE_BYTES - 1)
    for reason in (Reason.SETUP, Reason.INTERNAL):
        told = blame_machine(failed(reason), tmp_path, None)
        assert (Reason.NODE_LOST, f"the disk of this machine is full, at {tmp_path}: no") == (told.reason, told.error)


def test_what_has_a_body_may_have_filled_the_disk_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 0)
    for one in (failed(held=5.0), failed(Reason.EXCEPTION), failed(None)):
        assert one == blame_machine(one, tmp_path, None)


def test_where_there_is_space_a_setup_is_the_tests_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, LEAST_FREE_BYTES)
    assert failed() == blame_machine(failed(), tmp_path, str(tmp_path))


def test_nothing_that_failed_counts_where_the_workspace_is_gone(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for one in (failed(), failed(Reason.EXIT_CODE, held=5.0)):
        told = blame_machine(one, tmp_path, gone)
        assert (Reason.NODE_LOST, Status.ERROR) == (told.reason, told.status)
        assert told.error == "the project that was brought to this machine has been removed: no"
    for one in (failed(None), failed(Reason.CANCELLED), failed(rerun=True)):
        assert one == blame_machine(one, tmp_path, gone)


def test_who_could_not_collect_says_what_the_machine_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Collection((), usage_error="no")
    assert refused == blame_for_collection(refused, tmp_path, None)
    free(monkeypatch, 0)
    assert f"the disk of this machine is full, at {tmp_path}" == (
        blame_for_collection(refused, tmp_path, None).machine_wants
    )
    assert Collection(()) == blame_for_collection(Collection(()), tmp_path, None)
