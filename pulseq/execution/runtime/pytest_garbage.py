"""How garbage is looked for while a suite is collected, and what of it a test sees."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import Any, Callable, Iterator, List

#: While a suite is collected nearly all that is made is kept: looking through it for garbage after every
#: 700 new objects, as Python does, takes a third of the time.
_COLLECTING_THRESHOLDS = (10_000, 10, 10)

#: What asks for the objects that there are, or wants all garbage gone.
_LOOKS = ("collect", "get_objects", "get_referrers")

#: pytest's plug-in that looks for garbage as a session ends, which is of no interest in a fork.
_AT_THE_END = os.path.join("_pytest", "unraisableexception.py")

#: Not empty while what was collected is left out.
_frozen: List[bool] = []


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


def keep_collection() -> None:
    """Leave what was collected out of every later look for garbage: it stays, and a fork would copy its pages."""
    gc.collect()
    gc.freeze()
    _frozen.append(True)


def thaw_on_demand() -> None:
    """Let who asks `gc` for objects see those that were left out, too: to be called before the suite is imported."""
    for name in _LOOKS:
        setattr(gc, name, _thawing(getattr(gc, name)))


def _thawing(look: Callable[..., Any]) -> Callable[..., Any]:
    def thawed(*args: Any, **kwargs: Any) -> Any:
        if _frozen and not sys._getframe(1).f_code.co_filename.endswith(_AT_THE_END):
            _frozen.clear()  # once, since a test may freeze objects of its own
            gc.unfreeze()
        return look(*args, **kwargs)

    thawed.__name__ = thawed.__qualname__ = look.__name__
    thawed.__doc__, thawed.__module__ = look.__doc__, look.__module__
    return thawed
