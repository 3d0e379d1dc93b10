"""What every row measures with: how often, how much, where, and children that print what they measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.benchmarks.environments import Environments

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
#: A child that has not ended by then hangs.
PATIENCE_SECONDS = 1800.0
#: What no child inherits: settings of the caller's own Prefect and PulseQ, and Python's: one that keeps it from writing
#: bytecode has each side rewrite all test files in every run.
_UNWANTED = ("PREFECT_", "PULSEQ_", "DASK_", "PYTEST_", "PYTHON")


@dataclass(frozen=True, slots=True)
class Bench:
    """The settings of one measurement.

    Attributes:
        repeat: how often each side is measured.
        quick: small sizes, to see that it works.
        scratch: a directory of this measurement alone.
        rows: names of the rows that were asked for.
    """

    repeat: int
    quick: bool
    scratch: Path
    environments: Environments
    rows: frozenset[str]

    def size(self, full: int, quick: int) -> int:
        """How much to measure with."""
        return quick if self.quick else full

    def wants(self, *names: str) -> bool:
        """Whether any of these rows was asked for."""
        return not self.rows.isdisjoint(names)

    def directory(self, name: str) -> Path:
        """A new directory under `scratch`."""
        path = self.scratch / f"{name}-{time.monotonic_ns()}"
        path.mkdir(parents=True)
        return path

    def interleave(self, *sides: Callable[[], T]) -> list[list[T]]:
        """Each side measured `repeat` times, in turn: what befalls the machine meanwhile befalls both."""
        samples: list[list[T]] = [[] for _ in sides]
        for _ in range(self.repeat):
            for side, values in zip(sides, samples, strict=True):
                values.append(side())
        return samples


def clean_environment(**more: str) -> dict[str, str]:
    """The caller's variables without those that would change what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_UNWANTED)}
    return {**kept, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", **more}


def run_child(module: str, configuration: Mapping[str, Any], **environment: str) -> Any:
    """What a module of `tests.benchmarks.children` prints as JSON, given its configuration."""
    command = [sys.executable, "-m", f"tests.benchmarks.children.{module}", json.dumps(configuration)]
    return json.loads(run_command(command, cwd=ROOT, environment=environment).stdout.splitlines()[-1])


def run_command(
    command: Sequence[str], *, cwd: Path, accept: Container[int] = (0,), environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that has ended as it should.

    Raises:
        RuntimeError: it ended with another code; the text has its last lines.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(**(environment or {})),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode not in accept:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{last}")
    return done


def seconds_of(action: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
