"""How little is loaded before a command has something to do."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pulseq.cli.main import COMMANDS

#: What takes its time to import, and has nothing to do with help or refusals.
HEAVY = {"prefect", "prefect_dask", "distributed", "dask", "duckdb", "pydantic", "jinja2", "numpy", "httpx", "pytest"}
#: The parser and its help are 370 modules, a verb brings up to 150 of its own; Prefect alone is 1,500.
MOST_MODULES = 600
LOOK = """
import json, sys
import pulseq.cli.main as main
code = main.run_command(sys.argv[1:])
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def _loaded_by(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command, and the modules that are loaded when it has ended."""
    ended = subprocess.run([sys.executable, "-c", LOOK, *arguments], capture_output=True, text=True, check=True)
    told = json.loads(ended.stderr.splitlines()[-1])
    return told["code"], set(told["modules"])


@pytest.mark.parametrize("verb", [[], *([name] for name in COMMANDS), ["results", "sync"]], ids=" ".join)
def test_help_loads_nothing_heavy(verb: list[str]) -> None:
    code, modules = _loaded_by(*verb, "--help")

    assert code == 0
    assert set() == modules & HEAVY
    assert len(modules) < MOST_MODULES


@pytest.mark.parametrize(
    "arguments", [["nope"], ["run", "--nope"], ["run", "gone.yaml"], ["run", ".", "-n", "none"]], ids=" ".join
)
def test_a_refusal_loads_nothing_heavy(arguments: list[str]) -> None:
    code, modules = _loaded_by(*arguments)

    assert code == 4
    assert set() == modules & HEAVY
    assert len(modules) < MOST_MODULES


def test_a_mistyped_verb_does_not_even_load_what_shows_help() -> None:
    _, modules = _loaded_by("rum")

    assert "rich" not in modules
