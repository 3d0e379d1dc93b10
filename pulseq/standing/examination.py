"""Looks at this machine for `pulseq doctor`: reads, tries a port and a file, and leaves nothing behind."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

from pulseq import __version__
from pulseq.cluster.own_nodes import files_for
from pulseq.node.machine import count_cpus, find_groups, measure_memory
from pulseq.standing.findings import (
    Finding,
    Grade,
    Need,
    judge_clock,
    judge_disk,
    judge_files,
    judge_libraries,
    judge_memory,
    judge_ports,
    judge_processes,
    judge_processors,
    judge_proxy,
    judge_python,
    judge_temporary,
)

_ROOT = Path("/")
_PATIENCE_SECONDS = 5.0
_OURS = ("PULSEQ_", "PREFECT_", "DASK_")


def examine_machine(home: Path, need: Need) -> list[Finding]:
    """All that concerns the machine, in the order in which it is told."""
    return [
        examine_version(),
        judge_python(sys.version_info[:3], platform.system().lower(), _say_place()),
        examine_libraries(),
        judge_processors(count_cpus(), need.slots, os.getloadavg()[0]),
        judge_memory(measure_memory(), available_memory(), need),
        examine_disk("state disk", home),
        examine_temporary(),
        judge_files(*_limits(resource.RLIMIT_NOFILE), files_for(need.nodes)),
        examine_processes(need),
        examine_ports(),
        judge_proxy(_find_proxies(os.environ)),
        examine_clock(home),
        examine_variables(os.environ),
    ]


def available_memory(root: Path = _ROOT) -> int:
    """Bytes of memory that can be had: of the machine, or of its control group where that has less."""
    left = [psutil.virtual_memory().available]
    for folder in find_groups(root, "memory"):
        with suppress(OSError, ValueError):
            limit, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            left.append(limit - used + int(stat.get("inactive_file", 0)))  # what was read once and can be read again
    return max(min(left), 0)


def examine_version() -> Finding:
    """PulseQ itself, and the kernel that it runs on."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        told = f"{__version__}, {platform.platform()}; pidfd_open: {error.strerror}"
        return Finding("pulseq", Grade.BAD, told, "bodies are watched by it: a kernel of 5.3, and no filter against it")
    return Finding("pulseq", Grade.OK, f"{__version__}, {platform.platform()}")


def examine_libraries() -> Finding:
    """The libraries that our package asks for."""
    try:
        wanted = metadata.requires("pulseq") or []
    except metadata.PackageNotFoundError:
        return Finding(
            "libraries", Grade.ATTENTION, "PulseQ runs from its sources", "install it, to have them compared"
        )
    installed = {}
    for line in wanted:
        name = line.split(";")[0].strip()
        name = name[: next((at for at, one in enumerate(name) if not (one.isalnum() or one in "-_.")), len(name))]
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return judge_libraries(wanted, installed)


def examine_disk(name: str, directory: Path) -> Finding:
    """A directory that is or would be written in, by way of what is there of it."""
    there = next(folder for folder in (directory, *directory.parents) if folder.exists())
    trouble = ""
    if not there.is_dir():
        trouble = f"{there} is no directory"
    else:
        try:
            with tempfile.TemporaryFile(dir=there) as file:
                file.write(b"x")
                file.flush()
        except OSError as error:
            trouble = f"cannot be written: {error.strerror}"
    return judge_disk(name, str(directory), shutil.disk_usage(there).free, _file_system(there), trouble)


def examine_processes(need: Need) -> Finding:
    """The user's limit and that of the control group, whichever is nearer."""
    soft, _ = _limits(resource.RLIMIT_NPROC)
    limits: list[tuple[int | None, int]] = []
    if soft is not None and os.geteuid() != 0:  # root has none
        limits.append((soft, _count_threads(os.getuid())))
    for folder in find_groups(_ROOT, "pids"):
        with suppress(OSError, ValueError):
            limits.append((int((folder / "pids.max").read_text()), int((folder / "pids.current").read_text())))
    limit, used = min(limits, key=lambda pair: (pair[0] or 0) - pair[1], default=(None, len(psutil.pids())))
    return judge_processes(limit, used, need)


def examine_ports() -> Finding:
    """Whether this machine can speak to itself."""
    low, high = 32768, 60999
    with suppress(OSError, ValueError):
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(_PATIENCE_SECONDS)
            with socket.create_connection(server.getsockname(), timeout=_PATIENCE_SECONDS):
                server.accept()[0].close()
    except OSError as error:
        return judge_ports(low, high, f"none can be used: {error.strerror or error}")
    return judge_ports(low, high)


def examine_temporary() -> Finding:
    """The directory for temporary files, where there is one."""
    try:
        place = tempfile.gettempdir()
    except OSError as error:
        advice = "free some space, or set TMPDIR to a directory that can be written"
        return Finding("temporary", Grade.BAD, str(error.strerror or error), advice)
    return judge_temporary(examine_disk("temporary", Path(place)), place)


def examine_clock(home: Path) -> Finding:
    """The clock of this machine beside that of its files."""
    now = time.time()
    skew = 0.0
    with suppress(OSError), tempfile.TemporaryFile() as file:  # that none can be written is told of the disk
        skew = os.fstat(file.fileno()).st_mtime - now
    files = [file for file in (home / "runs", home / "results.duckdb") if file.exists()]
    newest = max((file.stat().st_mtime for file in files), default=now)
    zone = "/".join(dict.fromkeys(time.tzname))
    here = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC, local time zone {zone}"
    return judge_clock(here, skew, newest - now)


def examine_variables(environment: Mapping[str, str]) -> Finding:
    """Names of the variables that settings are read from; their values are nobody's business."""
    names = sorted(name for name in environment if name.startswith(_OURS))
    return Finding("variables", Grade.OK, f"{', '.join(names)} set" if names else f"none of {'*, '.join(_OURS)}*")


def _say_place() -> str:
    kind = "environment" if sys.prefix != sys.base_prefix else "no environment of its own"
    return f"{kind} {sys.prefix}"


def _limits(kind: int) -> tuple[int | None, int | None]:
    soft, hard = (None if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(kind))
    return soft, hard


def _count_threads(uid: int) -> int:
    """Threads of a user's processes, which is what the limit counts."""
    count = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == uid:
                count += process.num_threads()
    return count


def _file_system(directory: Path) -> str:
    """The kind of the file system that a directory is on."""
    place = os.path.realpath(directory)
    mounts = [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    over = [(point, kind) for point, kind in mounts if place == point or place.startswith(f"{point.rstrip('/')}/")]
    return max(over, key=lambda pair: len(pair[0]), default=("", ""))[1]


def _find_proxies(environment: Mapping[str, str]) -> list[str]:
    return [name for name in environment if name.lower() in ("http_proxy", "all_proxy") and environment[name]]
