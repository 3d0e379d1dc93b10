"""What can be read off the machine that a node runs on, as capabilities.

Read from files and the standard calls alone: no child process, nothing that can hang.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from pulseq.models import CapabilityValue
from pulseq.protocol.clock_offset import read_clock_id

_SYSTEMS = {"darwin": "macos"}
_ROOT = Path("/")


def read_machine(root: Path = _ROOT) -> dict[str, CapabilityValue]:
    """The capabilities that a node has without being told.

    Args:
        root: where `/proc`, `/sys` and `/dev` are found.

    Returns:
        `os` (linux, macos, windows), `arch`, `python` (of this interpreter), `cpus` (whole ones
        that this process may use), `memory` (decimal, `25.2GB`), and `gpu` only where one is seen.
        A control group's limits count where they are lower than the machine's.
    """
    system = platform.system().lower()
    machine: dict[str, CapabilityValue] = {
        "os": _SYSTEMS.get(system, system),
        "arch": platform.machine().lower(),
        "python": platform.python_version(),
        "cpus": count_cpus(root),
        "memory": f"{measure_memory(root) / 1e9:.1f}GB",
    }
    gpus = find_gpus(root)
    return machine | ({"gpu": gpus} if gpus else {})


def describe_host(name: str | None = None) -> dict[str, str]:
    """What a node says of where it runs, besides capabilities.

    Args:
        name: what people call its host; None is what the host calls itself.

    Returns:
        `host`, `python` (the version of the node's own interpreter, which a declared capability may hide), `clock`.
    """
    host = name or socket.gethostname()
    return {"host": host, "python": platform.python_version(), "clock": read_clock_id()}


def count_cpus(root: Path = _ROOT) -> int:
    """Processors that this process may use, at least 1: its affinity, cut by its group's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    quotas = [quota for folder in find_groups(root, "cpu") if (quota := _read_quota(folder)) is not None]
    return max(1, min([affinity, *map(int, quotas)]))


def measure_memory(root: Path = _ROOT) -> int:
    """Bytes of memory that this process may use: the machine's, cut by its group's limit."""
    names = ("memory.max", "memory.limit_in_bytes")
    limits = [
        limit
        for folder in find_groups(root, "memory")
        for name in names
        if (limit := _read_number(folder / name)) is not None
    ]
    return min([psutil.virtual_memory().total, *limits])


def find_gpus(root: Path = _ROOT) -> tuple[str, ...]:
    """`nvidia` and the models that its driver names, or nothing."""
    texts = [_read_text(file) for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("Model:")]
    models = dict.fromkeys(line.partition(":")[2].strip().lower() for line in lines)
    seen = texts or any((root / "dev").glob("nvidia[0-9]*"))
    return ("nvidia", *models) if seen else ()


def find_groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and those above it, as version 2 and version 1 have them."""
    for line in _read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            mount = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / controller
        else:
            continue
        group = Path(path.strip("/"))
        yield from (mount / part for part in (group, *group.parents))


def _read_quota(folder: Path) -> float | None:
    """Processors' worth of time that a group may use: version 2's `cpu.max`, version 1's pair."""
    quota, _, period = _read_text(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota = _read_text(folder / "cpu.cfs_quota_us").strip()
        period = _read_text(folder / "cpu.cfs_period_us").strip()
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def _read_number(file: Path) -> int | None:
    text = _read_text(file).strip()
    return int(text) if text.isdigit() else None


def _read_text(file: Path) -> str:
    """The text of a file of the kernel's, empty where there is none or it is not ours to read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
