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

#: What asks for the objects that there are, or wants all garbage gone.
_LOOKS = frozenset(["collect", "get_objects", "get_referrers"])

#: pytest's plug-in that looks for garbage as a session ends, which is of no interest in a fork.
_AT_THE_END = os.path.join("_pytest", "unraisableexception.py")
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
    gc.collect()
    if not _State.taken:
        gc.freeze()
        _State.frozen = True


class _State:
    """Of this process; `taken`: a function was taken along at an import, so that its use later is not seen here."""

    frozen = False
    taken = False


class _Thawing(types.ModuleType):
    """The module `gc` until somebody asks it for objects.

    No function is wrapped: one between a test and `gc.get_referrers` would be among what refers.
    """

    def __getattribute__(self, name: str) -> Any:
        if name in _LOOKS:
            frame = sys._getframe(1)
            code = frame.f_code
            if _State.frozen:
                if not code.co_filename.endswith(_AT_THE_END):
                    _State.frozen = False
                    gc.unfreeze()
            elif code.co_code[frame.f_lasti] == _IMPORT_FROM:
                _State.taken = True
        return super().__getattribute__(name)
