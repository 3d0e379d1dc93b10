"""A machine with little memory: a control group of version 1 or 2 below that of this process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulseq.node.machine import find_groups

_LIMITS = ("memory.limit_in_bytes", "memory.max")
_COUNTS = ("memory.oom_control", "memory.events")


@contextlib.contextmanager
def little_memory(size: int) -> Iterator[Path]:
    """A group whose processes have `size` bytes; the test is skipped where none can be made."""
    parents = [group for group in find_groups(Path("/"), "memory") if (group / "cgroup.procs").exists()]
    group = parents[0] / f"pulseq-test-{uuid.uuid4().hex[:8]}" if parents else Path("/nowhere")
    with contextlib.suppress(OSError):
        group.mkdir()
    limit = next((group / name for name in _LIMITS if (group / name).exists()), None)
    try:
        if limit is None:
            pytest.skip("no control group with a limit on memory can be made here (that takes root, or delegation)")
        limit.write_text(str(size))
        yield group
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


def enter(group: Path, pid: int = 0) -> None:
    """Put a process there, by default this one."""
    (group / "cgroup.procs").write_text(str(pid))


def take_all(group: Path) -> None:
    """Take memory in a process of its own, until the kernel has ended one of the group's."""
    subprocess.run([sys.executable, "-S", "-c", _TAKE, *(str(group / name) for name in _COUNTS)], check=True)


_TAKE = """
import os, sys, time
counts = [name for name in sys.argv[1:] if os.path.exists(name)]
read = lambda: [line for name in counts for line in open(name) if line.startswith("oom_kill ")]
with open(os.path.join(os.path.dirname(counts[0]), "cgroup.procs"), "w") as own:
    own.write("0")
before, held = read(), []
while read() == before:
    held.append(b"x" * (1 << 20))
    time.sleep(0.002)
"""
