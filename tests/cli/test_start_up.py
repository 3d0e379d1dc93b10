"""How little is loaded before a command has something to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from subprocess import DEVNULL, PIPE

import pytest

from pulseq.cli.main import COMMANDS

pytestmark = pytest.mark.processes

#: What takes its time to import, and has nothing to do with help or refusals.
HEAVY = {"prefect", "prefect_dask", "distributed", "dask", "duckdb", "pydantic", "jinja2", "numpy", "httpx", "pytest"}
#: The parser and its help are 370 modules, a verb brings up to 150 of its own; Prefect alone is 1,500.
MOST_MODULES = 600
#: Each command in a fork of a process that has loaded the command line alone.
LOOK = """
import json, os, sys
import pulseq.cli.main as main
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        code = main.run_command(json.loads(line))
        told = json.dumps({"code": code, "modules": sorted(sys.modules)})
        os.write(int(sys.argv[1]), f"{told}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
"""
LoadedBy = Callable[..., tuple[int, set[str]]]


@pytest.fixture(scope="module")
def loaded_by() -> Iterator[LoadedBy]:
    """`loaded_by(*arguments)`: the exit code of a command, and the modules that are loaded when it has ended."""
    ours, theirs = os.pipe()
    command = [sys.executable, "-c", LOOK, str(theirs)]
    with (
        subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, pass_fds=[theirs], text=True) as process,
        open(ours) as answers,
    ):
        os.close(theirs)
        assert process.stdin is not None
        asked = process.stdin

        def ask(*arguments: str) -> tuple[int, set[str]]:
            asked.write(f"{json.dumps(arguments)}\n")
            asked.flush()
            told = json.loads(answers.readline())
            return told["code"], set(told["modules"])

        yield ask
        asked.close()


@pytest.mark.parametrize("verb", [[], *([name] for name in COMMANDS), ["results", "sync"]], ids=" ".join)
def test_help_loads_nothing_heavy(verb: list[str], loaded_by: LoadedBy) -> None:
    code, modules = loaded_by(*verb, "--help")

    assert code == 0
    assert set() == modules & HEAVY
    assert len(modules) < MOST_MODULES


@pytest.mark.parametrize(
    "arguments", [["nope"], ["run", "--nope"], ["run", "gone.yaml"], ["run", ".", "-n", "none"]], ids=" ".join
)
def test_a_refusal_loads_nothing_heavy(arguments: list[str], loaded_by: LoadedBy) -> None:
    code, modules = loaded_by(*arguments)

    assert code == 4
    assert set() == modules & HEAVY
    assert len(modules) < MOST_MODULES


def test_a_mistyped_verb_does_not_even_load_what_shows_help(loaded_by: LoadedBy) -> None:
    _, modules = loaded_by("rum")

    assert "rich" not in modules
