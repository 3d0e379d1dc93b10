"""What the kernel ends for want of memory: counted in files of a made-up machine, and in a real control group."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.background import Background
from pulseq.models import AttemptResult, Reason, Status
from pulseq.node import machine_failures as subject
from pulseq.node.machine_failures import LEAST_FREE_BYTES, MachineMemory, MachineWant, blame, find_want
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


BLOCK = 1000
FILES = 1000


class Disk:
    """What `statvfs` tells of every directory; a machine has one disk here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.files, self.size = 100 * LEAST_FREE_BYTES, FILES, 10**9
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.setattr(os, "statvfs", self._tell)

    def _tell(self, _directory: object) -> os.statvfs_result:
        blocks = self.free // BLOCK
        more = (BLOCK, BLOCK, self.size // BLOCK, blocks + 10_000_000, blocks, FILES, self.files, self.files, 0, 255)
        return os.statvfs_result(more)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "LOOK_AGAIN_SECONDS", (0.001, 0.002))


def on_machine(
    story: Callable[[MachineWant], Any], temporary: Path, workspace: str | None = None
) -> tuple[Any, list[str | None]]:
    """What comes of a story with a run on a machine, and what was told meanwhile."""
    told: list[str | None] = []

    async def tell() -> Any:
        want = MachineWant(temporary, workspace, told.append, Background())
        try:
            done = story(want)
            return await done if asyncio.iscoroutine(done) else done
        finally:
            await want.close()

    return asyncio.run(tell()), told


def failed(reason: Reason | None = Reason.SETUP, *, held: float = 0.0, **more: Any) -> AttemptResult:
    status = Status.PASSED if reason is None else Status.ERROR
    return AttemptResult("t", 1, "n", status, reason=reason, error="no", metrics={"memory_usage": held}, **more)


@pytest.mark.parametrize("change", [{"free": LEAST_FREE_BYTES - BLOCK}, {"files": 0}])
def test_what_cannot_begin_on_a_full_disk_is_lost_with_its_machine(
    tmp_path: Path, disk: Disk, change: dict[str, int]
) -> None:
    vars(disk).update(change)
    full = f"the disk of its machine is full, at {tmp_path}"
    for reason in (Reason.SETUP, Reason.INTERNAL):
        judged, told = on_machine(lambda want, reason=reason: want.judge(failed(reason)), tmp_path)
        assert ((Reason.NODE_LOST, f"{full}: no"), [full]) == ((judged.reason, judged.error), told)


def test_what_has_a_body_may_have_filled_the_disk_itself_and_nothing_follows_it_there(
    tmp_path: Path, disk: Disk
) -> None:
    disk.free = 0
    for one in (failed(held=5.0), failed(Reason.EXCEPTION)):
        judged, told = on_machine(lambda want, one=one: want.judge(one), tmp_path)
        assert (one, 1) == (judged, len(told))


def test_nobody_asks_what_a_machine_lacks_for_what_passed(tmp_path: Path, disk: Disk) -> None:
    disk.free = 0
    for one in (failed(None), failed(Reason.CANCELLED), failed(rerun=True)):
        assert (one, []) == on_machine(lambda want, one=one: want.judge(one), tmp_path)


def test_where_there_is_space_a_setup_is_the_tests_own(tmp_path: Path, disk: Disk) -> None:
    disk.free = LEAST_FREE_BYTES
    workspace = tmp_path / "holder" / "tree"
    workspace.mkdir(parents=True)
    assert (failed(), []) == on_machine(lambda want: want.judge(failed()), tmp_path, str(workspace))
    assert [] == list(workspace.iterdir())


def test_a_disk_that_does_not_say_how_large_it_is_is_not_full(tmp_path: Path, disk: Disk) -> None:
    disk.free = disk.size = 0
    assert find_want(tmp_path) is None


def test_what_is_kept_for_root_is_free_for_root(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.free = 0
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_want(tmp_path) is None


def test_a_directory_that_takes_nothing_is_told_whatever_its_disk_has(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert f"nothing can be written on its machine, at {gone}: No such file or directory" == find_want(gone)
    sealed = Path("/proc/self")
    assert find_want(sealed) is None
    assert (find_want(sealed, by_writing=True) or "").startswith("nothing can be written on its machine, at /proc/self")


def test_it_is_told_once_and_again_when_there_is_space(tmp_path: Path, disk: Disk) -> None:
    full = f"the disk of its machine is full, at {tmp_path}"

    async def story(want: MachineWant) -> list[str | None]:
        disk.free = 0
        looks = [want.look(), want.look()]
        disk.free = LEAST_FREE_BYTES  # which others have taken again in a moment
        looks.append(want.look())
        await asyncio.sleep(0.01)
        looks.append(want.lacking)
        disk.free = 2 * LEAST_FREE_BYTES
        while want.lacking:  # noqa: ASYNC110 - it looks by its own clock
            await asyncio.sleep(0.001)
        disk.free = 0
        return [*looks, want.look()]

    looks, told = on_machine(story, tmp_path)

    assert ([full, full, None, full, full], [full, None, full]) == (looks, told)


def test_nothing_that_failed_counts_where_the_workspace_is_gone(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for one in (failed(), failed(Reason.EXIT_CODE, held=5.0)):
        judged, told = on_machine(lambda want, one=one: want.judge(one), tmp_path, gone)
        assert (Reason.NODE_LOST, Status.ERROR) == (judged.reason, judged.status)
        assert judged.error == "the project that was brought to its machine has been removed: no"
        assert ["the project that was brought to its machine has been removed"] == told


def test_who_could_not_collect_says_what_the_machine_lacks(tmp_path: Path, disk: Disk) -> None:
    refused = Collection((), usage_error="no")
    assert (refused, []) == on_machine(lambda want: want.judge_collection(refused), tmp_path)
    disk.free = 0
    full = f"the disk of its machine is full, at {tmp_path}"
    judged, told = on_machine(lambda want: want.judge_collection(refused), tmp_path)
    assert (full, [full]) == (judged.machine_wants, told)
    assert (Collection(()), []) == on_machine(lambda want: want.judge_collection(Collection(())), tmp_path)
