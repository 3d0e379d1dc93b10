"""The children whose time and output are compared: each in a session of its own, with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_GRACE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A child that has ended; `exit_code` is None where the time limit ended it."""

    exit_code: int | None
    seconds: float
    output: str


def run_child(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path, timeout_seconds: float
) -> Ended:
    """Run a command in a session of its own; both of its outputs go to `log`, a file which no grandchild keeps open."""
    started = time.monotonic()
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            exit_code: int | None = child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            exit_code = None
        finally:
            _end(child)
    return Ended(exit_code, time.monotonic() - started, log.read_text(encoding="utf-8", errors="replace"))


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask first: PulseQ ends its own children, which have other sessions. Then end what is left of the session."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
