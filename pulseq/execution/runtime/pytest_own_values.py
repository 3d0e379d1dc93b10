"""Notices values that are meant to be of one process alone, made while a suite is imported: forks would share them.

Such are a database that is named after the process, a random name, a temporary directory, a port that was free.
"""

from __future__ import annotations

import os
import random
import re
import socket
import sys
import tempfile
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep

#: Whose calls are their callers': `uuid.uuid4()` asks for random bytes.
_CARRIERS = frozenset(f"{_STANDARD_LIBRARY}{name}.py" for name in ("uuid", "secrets", "random"))

_RUNTIME = os.path.dirname(__file__) + os.sep
_PACKAGES = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_TESTS = re.compile(r"(?:^|[/\\])(?:conftest|test_[^/\\]*|[^/\\]*_test)\.py$")

#: How much of what a suite's modules hold is looked at.
_MOST_MEMBERS = 200


class OwnValues:
    """Notices such calls of a suite's own files; libraries that make something for themselves know of forks.

    Attributes:
        maker: `file:line` of the first call; None where there was none.
        what: it has called.
    """

    def __init__(self) -> None:
        self.maker: Optional[str] = None
        self.what = ""
        self._undo: List[Callable[[], None]] = []

    def watch(self) -> None:
        """Begin to notice."""
        # Not this module's names for them, which are bound to the originals.
        theirs = {module.__name__: sys.modules[module.__name__] for module in (os, random, socket, tempfile)}
        self._notice(theirs["os"], "getpid", "a name from os.getpid()", carried=True)
        self._notice(theirs["os"], "urandom", "a random name", carried=True)
        # What `random.SystemRandom`, and with it `secrets`, asks.
        self._notice(theirs["random"], "_urandom", "a random name", carried=True)
        self._notice(theirs["tempfile"], "mkdtemp", "a temporary directory", carried=False)
        self._notice(theirs["tempfile"], "_mkstemp_inner", "a temporary file", carried=False)
        self._notice(theirs["socket"].socket, "bind", "a bound socket", carried=False)

    def stop(self) -> None:
        """Notice no more; whoever took one of the functions along keeps what only passes on."""
        while self._undo:
            self._undo.pop()()

    def _notice(self, holder: Any, name: str, what: str, carried: bool) -> None:
        real = getattr(holder, name, None)
        if real is None:
            return
        is_inherited = name not in vars(holder)

        def passing_on(*args: Any, **kwargs: Any) -> Any:
            if self._undo and self.maker is None:
                self.maker, self.what = _maker(sys._getframe(1), carried), what
            return real(*args, **kwargs)

        def undo() -> None:
            if vars(holder).get(name) is not passing_on:
                return
            if is_inherited:
                delattr(holder, name)
            else:
                setattr(holder, name, real)

        passing_on.__name__, passing_on.__doc__ = name, real.__doc__
        setattr(holder, name, passing_on)
        self._undo.append(undo)


def _maker(frame: Any, carried: bool) -> Optional[str]:
    """Where a suite's own file asks for it; None where a library does for itself."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if is_own(filename):
            return f"{os.path.relpath(filename)}:{frame.f_lineno}"
        if filename not in _CARRIERS if carried else frame.f_code.co_name == "<module>":
            return None
        frame = frame.f_back
    return None


def is_own(filename: str) -> bool:
    """Whether this is a file of the suite, or of what it tests, and not of a library that is installed."""
    if filename.startswith(("<", _RUNTIME)):
        return False
    if _PACKAGES.search(filename):
        return _TESTS.search(filename) is not None
    return not filename.startswith(_STANDARD_LIBRARY)


def holder_of(worker: str, modules: Iterable[Any]) -> Optional[str]:
    """The first variable of a suite's modules, among these, in which a worker's name is kept, as `module.name`.

    So it is seen who has read the name from a copy of the environment.
    """
    pattern = re.compile(re.escape(worker) + r"(?!\d)")
    for module in list(modules):
        filename = getattr(module, "__file__", None)
        if isinstance(filename, str) and is_own(filename):
            for name, value in list(vars(module).items()):
                if not name.startswith("__") and any(pattern.search(text) for text in _texts(value)):
                    return f"{module.__name__}.{name}"
    return None


def _texts(value: Any) -> Iterator[str]:
    """The texts that a value is or holds, one level deep."""
    yield from _text(value)
    for member in _members(value):
        yield from _text(member)


def _text(value: Any) -> Tuple[str, ...]:
    kind = type(value)
    if kind is str:
        return (value,)
    if kind is bytes:
        return (value.decode("latin-1"),)
    # A path is not asked for its text unless it is one of the standard library's: others may do what they like.
    if kind.__module__.split(".")[0] == "pathlib":
        return (str(value),)
    return ()


def _members(value: Any) -> Tuple[Any, ...]:
    kind = type(value)
    held: Any = ()
    if kind is dict:
        held = value.values()
    elif kind in (list, tuple, set, frozenset):
        held = value
    else:
        module = value.__module__ if kind is type else kind.__module__
        source = getattr(sys.modules.get(module), "__file__", None) if isinstance(module, str) else None
        if isinstance(source, str) and is_own(source):
            held = _attributes(value).values()
    return tuple(held) if len(held) <= _MOST_MEMBERS else ()


def _attributes(value: Any) -> Dict[str, Any]:
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except (AttributeError, TypeError):
        return {}
