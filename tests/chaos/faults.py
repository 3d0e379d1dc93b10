"""Which processes a run has, by what they are, and what can be done to them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.system.workplace import Workplace

#: Their loss ends the run, or what it can do; that of any other is got over.
FATAL = frozenset({"driver", "server", "scheduler"})
#: A body is the user's: what happens to it is its verdict.
BODY = "body"

_MODULES = {
    "pulseq.node.node_process": "node",
    "pulseq.cluster.scheduler_process": "scheduler",
    "pulseq.orchestration.server_process": "server",
    "pulseq.processes.fork_server": "fork server",
    "pulseq.cluster.own_nodes": "fork server",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened to a process: `stop` is followed by a continuation `seconds` later, or never where None."""

    at: float
    role: str
    pid: int
    signal: str
    seconds: float | None = None

    def __str__(self) -> str:
        after = "" if self.signal == "KILL" else f" for {self.seconds:.1f} s" if self.seconds else " for good"
        return f"{self.at:5.1f} s: {self.signal} to {self.role} {self.pid}{after}"


def roles_of(workplace: Workplace, driver: int) -> dict[int, str]:
    """Every process of a run, by its number."""
    return {process.pid: role for process in workplace.processes() if (role := _role_of(process, driver)) is not None}


def _role_of(process: psutil.Process, driver: int) -> str | None:
    try:
        line = process.cmdline()
        if process.pid == driver:
            return "driver"
        for module, role in _MODULES.items():
            if module in line:
                return role
        runtime = [position for position, part in enumerate(line) if part.endswith("execution/runtime/__main__.py")]
        if not runtime:
            return BODY
        command = line[runtime[0] + 1] if len(line) > runtime[0] + 1 else "launcher"
        return _role_in_family(process, command)
    except (psutil.Error, OSError):
        return None


def _role_in_family(process: psutil.Process, command: str) -> str:
    """The forks of one runtime process have its command line: a fork of a launcher is a keeper, and so on."""
    depth = 0
    parent = process.parent()
    while parent is not None and parent.cmdline() == process.cmdline():
        depth, parent = depth + 1, parent.parent()
    return f"{command} {'<' * depth}".strip()


def strike(workplace: Workplace, driver: int, chance: random.Random, began: float, *, fatal: bool) -> Fault | None:
    """Do something to one process of the run; None where there is none to be had."""
    by_role: dict[str, list[int]] = {}
    for pid, role in sorted(roles_of(workplace, driver).items()):
        if role != BODY and (role in FATAL) == fatal:
            by_role.setdefault(role, []).append(pid)
    if not by_role:
        return None
    role = chance.choice(sorted(by_role))
    pid = chance.choice(by_role[role])
    if chance.random() < 0.5:
        fault = Fault(time.monotonic() - began, role, pid, "KILL")
    else:
        fault = Fault(time.monotonic() - began, role, pid, "STOP", chance.choice([0.5, 2.0, 8.0, None]))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL if fault.signal == "KILL" else signal.SIGSTOP)
        return fault
    return None


def go_on(fault: Fault) -> None:
    """Let a process that was stopped go on, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(fault.pid, signal.SIGCONT)


def is_ours(pid: int, place: Path) -> bool:
    """Whether a process number is still that of a process of this place."""
    try:
        return str(place).encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
