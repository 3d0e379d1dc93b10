"""Importing a thousand modules at once."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def loading_much() -> Iterator[None]:
    """Look for no garbage meanwhile: what an import makes stays, and looking took a seventh of Prefect's."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
