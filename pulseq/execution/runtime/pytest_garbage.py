"""How garbage is looked for while a suite is collected, and what of it a test sees."""

from __future__ import annotations

import contextlib
import dis
import gc
import os
import sys
import types
from typing import Any, Iterator

#: While a suite is collected nearly all that is made is kept: looking through it for garbage after every
#: 700 new objects, as Python does, takes a third of the time.
_COLLECTING_THRESHOLDS = (10_000, 10, 10)

#: What asks for the objects that there are.
_LOOKS = frozenset(["get_objects", "get_referrers"])

#: pytest's plug-in that looks for garbage as a session ends, which is of no interest in a fork.
_AT_THE_END = os.path.join("_pytest", "unraisableexception.py")
#: Garbage of a test may be kept with the rest, each time.
_MOST_TIMES = 100
_IMPORT_FROM = dis.opmap["IMPORT_FROM"]


@contextlib.contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Look for garbage less often; a suite that sets thresholds of its own meanwhile keeps them."""
    usual = gc.get_threshold()
    gc.set_threshold(*_COLLECTING_THRESHOLDS)
    try:
        yield
    finally:
        if gc.get_threshold() == _COLLECTING_THRESHOLDS:
            gc.set_threshold(*usual)


def thaw_on_demand() -> None:
    """Let who asks `gc` for objects see those that are left out, too: to be called before the suite is imported."""
    gc.__class__ = _Thawing


def keep_collection() -> None:
    """Leave what was collected out of every later look for garbage: it stays, and a fork would copy its pages."""
    if not _State.taken:
        _collect_garbage()
        gc.freeze()
        _State.frozen = True


def keep_again() -> None:
    """Between two items: once more, where the one before has looked at all objects."""
    if _State.thawed and _State.times < _MOST_TIMES:
        _State.times += 1
        _State.thawed, _State.frozen = False, True
        gc.freeze()


class _State:
    """Of this process; `taken`: a function was taken along at an import, so that its use later is not seen here."""

    frozen = False
    taken = False
    thawed = False
    times = 0


class _Thawing(types.ModuleType):
    """The module `gc` to a suite.

    Around `gc.get_referrers` there is no function of ours: it would be among what refers.
    """

    def __getattribute__(self, name: str) -> Any:
        if name == "collect":
            return _collect
        if name in _LOOKS:
            frame = sys._getframe(1)
            if _State.frozen:
                _State.frozen, _State.thawed = False, True
                gc.unfreeze()
            elif frame.f_code.co_code[frame.f_lasti] == _IMPORT_FROM:
                _State.taken = True
        return super().__getattribute__(name)


_collect_garbage = gc.collect


def _collect(generation: int = 2) -> int:
    """`gc.collect`, which has all garbage gone, and leaves the rest out of later looks that nobody asks for."""
    look = not sys._getframe(1).f_code.co_filename.endswith(_AT_THE_END)
    if not (_State.frozen and generation == 2 and look):
        return _collect_garbage(generation)
    gc.unfreeze()
    try:
        return _collect_garbage()
    finally:
        gc.freeze()


_collect.__name__ = _collect.__qualname__ = "collect"
_collect.__module__, _collect.__doc__ = "gc", gc.collect.__doc__
