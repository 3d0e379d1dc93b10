"""pytest-xdist's `pytest_handlecrashitem`: a plug-in hears of an item that ended its worker, and may have it again.

The controller calls the hook; the keeper of that worker asks what came of it, before it says anything itself.
"""

from __future__ import annotations

import os
from typing import Any, Set

from .pytest_unfit import implementers

#: How often an item runs again at most: a plug-in that never gives up would keep its slot for good.
MOST_CRASHES = 100
#: Why a worker ends with its item, where nobody has stopped that.
OWN_FAULTS = (None, "crash", "timeout", "memory", "output_limit")
#: In a session's directory, where a plug-in of its controller has the hook.
_MARK = "handles-crashes"


class CrashScheduler:
    """What hooks get as `sched`.

    Attributes:
        pending: node ids of the items that are to run again.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.pending: Set[str] = set()

    def mark_test_pending(self, item: str) -> None:
        """Have an item run again that has crashed."""
        self.pending.add(item)


def mark_handled(directory: str, config: Any) -> None:
    """In the controller: let keepers know where it is worth asking."""
    if any(True for _ in implementers(config.pluginmanager, "pytest_handlecrashitem")):
        os.close(os.open(os.path.join(directory, _MARK), os.O_CREAT | os.O_WRONLY, 0o600))


def is_handled(directory: str) -> bool:
    """Whether it is worth asking."""
    return os.path.exists(os.path.join(directory, _MARK))
