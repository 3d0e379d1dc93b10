"""What is read off a machine, from a made-up one's files."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil
import pytest

from pulseq.node import machine


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def sixteen_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def test_this_machine_tells_what_it_is() -> None:
    found = machine.read_machine()
    assert {"os", "arch", "python", "cpus", "memory"} <= found.keys()
    assert found["python"] == platform.python_version()
    assert found["cpus"] in range(1, (os.cpu_count() or 1) + 1)


def test_memory_is_decimal_with_one_digit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "measure_memory", lambda root: 25_230_000_000)
    assert machine.read_machine(tmp_path)["memory"] == "25.2GB"


def test_a_mac_is_called_macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert machine.read_machine(tmp_path)["os"] == "macos"


@pytest.mark.usefixtures("sixteen_cpus")
def test_cpus_are_those_that_the_process_may_use(tmp_path: Path) -> None:
    assert machine.count_cpus(tmp_path) == 16


@pytest.mark.usefixtures("sixteen_cpus")
@pytest.mark.parametrize(
    ("quota", "cpus"), [("250000 100000", 2), ("50000 100000", 1), ("max 100000", 16), ("nonsense", 16)]
)
def test_a_quota_of_the_group_cuts_the_cpus(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/jobs/mine\n")
    write(tmp_path, "sys/fs/cgroup/jobs/mine/cpu.max", f"{quota}\n")
    assert machine.count_cpus(tmp_path) == cpus


@pytest.mark.usefixtures("sixteen_cpus")
def test_a_quota_of_a_group_above_counts(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/jobs/mine\n")
    write(tmp_path, "sys/fs/cgroup/jobs/mine/cpu.max", "max 100000\n")
    write(tmp_path, "sys/fs/cgroup/jobs/cpu.max", "300000 100000\n")
    assert machine.count_cpus(tmp_path) == 3


@pytest.mark.usefixtures("sixteen_cpus")
def test_a_quota_of_a_version_1_group_cuts_the_cpus(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "4:memory:/\n2:cpu,cpuacct:/box\n")
    write(tmp_path, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "400000\n")
    write(tmp_path, "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n")
    assert machine.count_cpus(tmp_path) == 4


@pytest.mark.parametrize(
    ("group", "file"),
    [
        ("0::/box", "sys/fs/cgroup/box/memory.max"),
        ("3:memory:/box", "sys/fs/cgroup/memory/box/memory.limit_in_bytes"),
    ],
)
def test_a_limit_of_the_group_cuts_the_memory(tmp_path: Path, group: str, file: str) -> None:
    write(tmp_path, "proc/self/cgroup", f"{group}\n")
    write(tmp_path, file, "1000000\n")
    assert machine.measure_memory(tmp_path) == 1_000_000


def test_a_limit_above_the_machine_s_memory_is_none(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", f"{2**63}\n")
    assert machine.measure_memory(tmp_path) == psutil.virtual_memory().total


def test_a_gpu_is_named_where_its_driver_names_it(tmp_path: Path) -> None:
    write(tmp_path, "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t NVIDIA A100\nIRQ: 16\n")
    assert machine.read_machine(tmp_path)["gpu"] == ("nvidia", "nvidia a100")


def test_a_gpu_that_is_only_a_device_has_its_maker_s_name(tmp_path: Path) -> None:
    write(tmp_path, "dev/nvidia0", "")
    assert machine.read_machine(tmp_path)["gpu"] == ("nvidia",)


def test_without_a_gpu_there_is_no_such_capability(tmp_path: Path) -> None:
    assert "gpu" not in machine.read_machine(tmp_path)
