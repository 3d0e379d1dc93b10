"""Machines that are slower than this one: processes that have a share of the time of its processors."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from pulseq.node.machine import find_groups
from tests.benchmarks.row import CannotMeasureError

#: How long a processor is had and not had in turn: shorter than what anybody waits for on the way of a test.
_PERIOD_MICROSECONDS = 20_000
#: A shell's way to run what follows in a group.
_ENTER = 'echo $$ > "$0" && exec "$@"'


@contextlib.contextmanager
def open_share(processors: float) -> Iterator[Path]:
    """A control group (of version 1 or 2) whose processes have together the time of so many processors.

    It is removed after the block, when none of its processes is there any more.

    Raises:
        CannotMeasureError: this process can make none: that takes root, or a group that is delegated to it.
    """
    parents = [group for group in find_groups(Path("/"), "cpu") if (group / "cgroup.procs").exists()]
    group = parents[0] / f"pulseq-bench-{uuid.uuid4().hex[:8]}" if parents else Path("/nowhere")
    quota = round(processors * _PERIOD_MICROSECONDS)
    try:
        group.mkdir()
        try:
            if (group / "cpu.max").exists():
                (group / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
            else:
                (group / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS))
                (group / "cpu.cfs_quota_us").write_text(str(quota))
        except OSError:
            group.rmdir()
            raise
    except OSError as error:
        raise CannotMeasureError(f"no control group with a share of the processors can be made here: {error}") from None
    try:
        yield group
    finally:
        group.rmdir()


def put_into(group: Path, pid: int) -> None:
    """Have a process, and what it starts from now on, use the time of a group."""
    (group / "cgroup.procs").write_text(str(pid))


def pids_in(*groups: Path) -> set[int]:
    """The processes of groups."""
    return {int(pid) for group in groups for pid in (group / "cgroup.procs").read_text().split()}


def command_within(group: Path, command: Sequence[str]) -> list[str]:
    """The same command, in a group."""
    return ["sh", "-c", _ENTER, str(group / "cgroup.procs"), *command]
