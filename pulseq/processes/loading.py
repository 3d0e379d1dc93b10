"""Importing a thousand modules at once, and sharing them with forks."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def loading_much() -> Iterator[None]:
    """Look for no garbage meanwhile: what an import makes stays, and looking took a seventh of Prefect's."""
    enabled = gc.isenabled()
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if len(sys.modules) > before:
                _call_all_old()
            gc.enable()


def share_with_forks() -> None:
    """Take all that there is for no garbage ever: looking for some would copy its pages in every fork."""
    gc.collect()
    gc.freeze()


def _call_all_old() -> None:
    # Else the next look for young garbage would go through all of it, twice, for 50 ms with no thread running.
    if not gc.get_freeze_count():  # what somebody has frozen is to stay so
        gc.freeze()
        gc.unfreeze()
