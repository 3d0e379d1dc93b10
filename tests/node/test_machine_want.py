"""What a machine lacks for tests: told once, and again when it is there; what fails for it is lost, all else is not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulseq.background import Background
from pulseq.models import AttemptResult, Reason, Status
from pulseq.node import machine_want as subject
from pulseq.node.machine_want import LEAST_FREE_BYTES, MachineWant, find_want
from pulseq.pytest_sessions import Collection

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


def result(reason: Reason | None = Reason.SETUP, *, held: float = 0.0, **more: Any) -> AttemptResult:
    status = Status.PASSED if reason is None else Status.ERROR
    return AttemptResult("t", 1, "n", status, reason=reason, error="no", metrics={"memory_usage": held}, **more)


@pytest.mark.parametrize("change", [{"free": LEAST_FREE_BYTES - BLOCK}, {"files": 0}])
def test_what_cannot_begin_on_a_full_disk_is_lost_with_its_machine(
    tmp_path: Path, disk: Disk, change: dict[str, int]
) -> None:
    vars(disk).update(change)
    full = f"the disk of its machine is full, at {tmp_path}"
    for reason in (Reason.SETUP, Reason.INTERNAL):
        judged, told = on_machine(lambda want, reason=reason: want.judge(result(reason)), tmp_path)
        assert ((Reason.NODE_LOST, f"{full}: no"), [full]) == ((judged.reason, judged.error), told)


def test_what_has_a_body_may_have_filled_the_disk_itself_and_nothing_follows_it_there(
    tmp_path: Path, disk: Disk
) -> None:
    disk.free = 0
    for one in (result(held=5.0), result(Reason.EXCEPTION)):
        judged, told = on_machine(lambda want, one=one: want.judge(one), tmp_path)
        assert (one, 1) == (judged, len(told))


def test_nobody_asks_what_a_machine_lacks_for_what_passed(tmp_path: Path, disk: Disk) -> None:
    disk.free = 0
    for one in (result(None), result(Reason.CANCELLED), result(rerun=True)):
        assert (one, []) == on_machine(lambda want, one=one: want.judge(one), tmp_path)


def test_where_there_is_space_a_setup_is_the_tests_own(tmp_path: Path, disk: Disk) -> None:
    disk.free = LEAST_FREE_BYTES
    workspace = tmp_path / "holder" / "tree"
    workspace.mkdir(parents=True)
    assert (result(), []) == on_machine(lambda want: want.judge(result()), tmp_path, str(workspace))
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
    for one in (result(), result(Reason.EXIT_CODE, held=5.0)):
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
