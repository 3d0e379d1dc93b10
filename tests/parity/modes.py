"""The ways in which a suite is run, and the command line of each."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.parity.suite import Suite

PLAIN, XDIST = "pytest", "xdist"
ISOLATIONS = ("fork", "interpreter")
PULSEQ = Path(sys.executable).with_name("pulseq")
_NODES = "2"


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to run a suite; `isolation` is given to PulseQ where it has the option."""

    name: str
    is_pulseq: bool = False
    isolation: str = ""


@cache
def isolation_is_there() -> bool:
    """Whether `pulseq run` knows `--isolation`."""
    told = subprocess.run([PULSEQ, "run", "--help"], capture_output=True, text=True, timeout=60, check=True)
    return "--isolation" in told.stdout


def modes_of(suite: Suite, isolations: tuple[str, ...]) -> list[Mode]:
    """The ways to run this suite, that to which the others are compared first."""
    if isolation_is_there():
        ours = [Mode(f"pulseq {isolation}", True, isolation) for isolation in isolations]
    else:
        ours = [Mode("pulseq", True)]
    if suite.command:
        # A command runs no items: the ways do not differ by isolation.
        return [Mode("command"), ours[0]]
    return [Mode(PLAIN), Mode(XDIST), *ours]


def write_command(mode: Mode, suite: Suite, python: Path, workplace: Path) -> list[str]:
    """The command line of a mode; a suite file that it needs is written into `workplace`, beside the tree."""
    own = [part.format(python=python) for part in suite.command]
    if mode.is_pulseq:
        isolation = ["--isolation", mode.isolation] if mode.isolation else []
        options = ["-n", _NODES, *isolation, "--python", str(python), "--no-live"]
        if own:
            return [str(PULSEQ), "run", str(_write_suite_file(own, suite, workplace)), *options]
        pyargs = ["--pyargs"] if suite.pyargs else []
        return [str(PULSEQ), "run", *pyargs, *suite.paths, *options, "--", *suite.arguments]
    if own:
        return own
    spread = ["-n", _NODES] if mode.name == XDIST else []
    pyargs = ["--pyargs"] if suite.pyargs else []
    return [str(python), "-m", "pytest", "-p", "parity_recorder", *spread, *pyargs, *suite.paths, *suite.arguments]


def _write_suite_file(command: list[str], suite: Suite, workplace: Path) -> Path:
    """A suite file, in the YAML that JSON is, whose only test is the command."""
    test = {"id": "command", "command": command, "cwd": str(workplace / "tree"), "timeout": suite.timeout_seconds}
    path = workplace / "suite.yaml"
    path.write_text(json.dumps({"suite": suite.name, "tests": [test]}), encoding="utf-8")
    return path
