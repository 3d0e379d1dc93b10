"""Services of Prefect's client that have ended are let go of: it keeps each, with all it has sent, for the exit.

A node that stands has one for each run, and would grow by 0.3 MB with each of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from prefect._internal.concurrency.services import _QueueServiceBase
from prefect._internal.concurrency.threads import get_global_loop


def forget_ended_services() -> None:
    """Take what would end them, once more, off the lists of what is to be done at the exit."""
    _keep(getattr(get_global_loop(), "_on_shutdown", None), lambda call: getattr(call, "fn", None))
    # Python's own list, in which `threading._register_atexit` puts a partial of each.
    _keep(getattr(threading, "_threading_atexits", None), lambda partial: getattr(partial, "func", None))


def _keep(calls: Any, function_of: Callable[[Any], Any]) -> None:
    """Keep, of a list of calls, those that are no method of a service that has ended."""
    if isinstance(calls, list):  # another release may have none, and is only larger then
        calls[:] = [call for call in calls if not _has_ended(getattr(function_of(call), "__self__", None))]


def _has_ended(owner: object) -> bool:
    return isinstance(owner, _QueueServiceBase) and owner._stopped
