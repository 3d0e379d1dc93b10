"""Options that would start processes, wait for a person, stop half-way, or run nothing, where items are dealt out."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any, Dict, List, Optional

import pytest

from . import blotting
from .output import read_file

#: Where an option does not exist, its plugin is not there.
_NEUTRAL: Dict[str, Any] = {
    "numprocesses": None,
    "maxprocesses": None,
    "dist": "no",
    "distload": False,
    "tx": [],
    "looponfail": False,
    "usepdb": False,
    "trace": False,
    "maxfail": 0,
    "stepwise": False,
}

#: What pytest only shows something with, by the name of its value; what sets another comes first.
_RUNNING_NOTHING = {
    "help": "--help",
    "version": "--version",
    "collectonly": "--collect-only",
    "setupplan": "--setup-plan",
    "setuponly": "--setup-only",
    "showfixtures": "--fixtures",
    "show_fixtures_per_test": "--fixtures-per-test",
    "markers": "--markers",
    "cacheshow": "--cache-show",
}


def refuse_running_nothing(option: Any) -> None:
    """Refuse an option with which pytest runs no test: verdicts would be of tests that did not run.

    Raises:
        pytest.UsageError: there is one.
    """
    for name, written in _RUNNING_NOTHING.items():
        if getattr(option, name, None):
            raise pytest.UsageError(f"{written} runs nothing: leave it out")


def make_neutral(option: Any) -> None:
    """Give these options values that do nothing."""
    for name, value in _NEUTRAL.items():
        if hasattr(option, name):
            setattr(option, name, value)


def printed() -> str:
    """What this process has written, where pytest gave its reason to the terminal alone."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        return read_file(1, blotting.current())
    except OSError:
        return ""


def narrow(option: Any, name: str, expression: Optional[str]) -> None:
    """Ask for `expression` as well as for what the suite's own arguments ask for."""
    if expression:
        own = getattr(option, name, "")
        setattr(option, name, f"({own}) and ({expression})" if own else expression)


def pose_as_pytest(args: List[str]) -> None:
    """Look like `python -m pytest`, so that what spawns a child by `__main__` finds what it would there."""
    program = importlib.import_module("pytest.__main__")
    sys.argv = [str(program.__file__), *args]
    main_module = types.ModuleType("__main__")
    main_module.__dict__.update(
        {name: value for name, value in vars(program).items() if name not in ("__name__", "__builtins__")}
    )
    sys.modules["__main__"] = main_module
