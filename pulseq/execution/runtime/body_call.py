"""A callable as a body: imported afresh in a fork of the interpreter it shall run under, then called."""

from __future__ import annotations

import asyncio
import builtins
import importlib
import inspect
import os
import sys
import traceback
import unittest
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .blotting import blot
from .body_ending import outcome
from .forked_body import Outcome, start_fork
from .metric import install_stand_in

_HERE = os.path.dirname(os.path.abspath(__file__))
_LAST_LINES = 30
_LONGEST_ERROR = 8000


def start(order: Mapping[str, Any], environment: Dict[str, str], output_fd: int) -> Tuple[int, int]:
    """Start the callable in a fork; see `start_fork`."""
    return start_fork(run, order, environment, output_fd)


def run(order: Mapping[str, Any]) -> Outcome:
    """Import, call and judge."""
    body = order["body"]
    _prepare_imports(order)
    try:
        function = _find(body["target"])
    except _NotCallable as error:
        return outcome("error", "setup", str(error))
    except BaseException as error:  # noqa: BLE001
        return _judge(error) if _skips(error) else outcome("error", "setup", describe(error))
    problem = _misfit(function, body)
    if problem is not None:
        return outcome("error", "setup", problem)
    try:
        returned = _call(function, body)
    except BaseException as error:  # noqa: BLE001
        return _judge(error)
    return _judge_value(returned, body["target"])


class _NotCallable(Exception):
    """The target names nothing that can be called."""


def _prepare_imports(order: Mapping[str, Any]) -> None:
    """`sys.path` as `python -m` in the test's directory would have it, and a `pulseq` to report metrics with."""
    added = [entry for entry in order["env"].get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [order["cwd"], *map(os.path.abspath, added)]
    install_stand_in()


def _find(target: str) -> Callable[..., Any]:
    module_name, colon, path = target.partition(":")
    if not colon or not module_name or not path:
        raise _NotCallable(f"{target!r} is not of the form 'module:attribute'")
    found: Any = importlib.import_module(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise _NotCallable(f"{target!r}: {getattr(found, '__name__', found)!r} has no attribute {name!r}")
        found = getattr(found, name)
    if not callable(found):
        raise _NotCallable(f"{target!r} is not callable, it is of type {type(found).__name__!r}")
    return found  # type: ignore[no-any-return]


def _misfit(function: Callable[..., Any], body: Mapping[str, Any]) -> Optional[str]:
    """Why the arguments do not fit the callable; None when they do, or when that cannot be known."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return f"{body['target']!r} is a generator function: calling it runs nothing of it"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*body["args"], **body["kwargs"])
    except TypeError as error:
        return f"{body['target']!r} takes {signature}, which does not fit the arguments: {error}"
    return None


def _call(function: Callable[..., Any], body: Mapping[str, Any]) -> Any:
    returned = function(*body["args"], **body["kwargs"])
    return asyncio.run(_wait_for(returned)) if inspect.isawaitable(returned) else returned


async def _wait_for(awaitable: Any) -> Any:
    return await awaitable


def _judge_value(returned: object, target: str) -> Outcome:
    if returned is False:
        return outcome("passed", warnings=[f"{target!r} returned False, which is no verdict; use assert"])
    return outcome("passed")


def _judge(error: BaseException) -> Outcome:
    """The verdict on what a body raised."""
    if _is_pytest_outcome(error, "xfail"):
        return outcome("skipped", "xfail", str(error) or "xfail")
    if _skips(error):
        return outcome("skipped", "skip", str(error) or "skipped")
    if _says_no(error):
        return outcome("failed", "assertion", describe(error))
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return outcome("passed")
    return outcome("error", "exception", describe(error))


def _says_no(error: BaseException) -> bool:
    """Whether it is a failed check, or a group of nothing else, as of asserts in tasks of a `TaskGroup`."""
    if isinstance(error, getattr(builtins, "BaseExceptionGroup", ())):
        return all(_says_no(one) for one in error.exceptions)  # type: ignore[attr-defined]
    return isinstance(error, AssertionError) or _is_pytest_outcome(error, "fail")


def _skips(error: BaseException) -> bool:
    return isinstance(error, unittest.SkipTest) or _is_pytest_outcome(error, "skip")


def _is_pytest_outcome(error: BaseException, name: str) -> bool:
    """Whether this is what pytest.skip, pytest.fail or pytest.xfail raise; pytest is not imported for that."""
    kind = getattr(getattr(sys.modules.get("pytest"), name, None), "Exception", None)
    return kind is not None and isinstance(error, kind)


def describe(error: BaseException) -> str:
    """The last lines of an error's traceback, without the frames of ours and of the import system."""
    lines = traceback.format_exception(type(error), error, _own_frames(error.__traceback__))
    return shorten("".join(lines))


def _own_frames(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    """The traceback from the first frame on that belongs to the body."""
    hidden = (_HERE, os.path.dirname(asyncio.__file__))
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not filename.startswith(("<frozen importlib", *hidden)) and filename != importlib.__file__:
            return trace
        trace = trace.tb_next
    return None


def shorten(text: str) -> str:
    """The last lines of a text, of a length that a report can bear."""
    lines: List[str] = blot(text).rstrip().splitlines()
    if len(lines) > _LAST_LINES:
        lines = ["[...]", *lines[-_LAST_LINES:]]
    shortened = "\n".join(lines)
    return shortened if len(shortened) <= _LONGEST_ERROR else "[...]" + shortened[-_LONGEST_ERROR:]
