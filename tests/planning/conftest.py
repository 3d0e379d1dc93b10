"""Tests that wait, in few words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.models import Priority
from pulseq.planning.queued import QueuedTest

MakeTest = Callable[..., QueuedTest]


@pytest.fixture
def queued() -> MakeTest:
    """Makes a waiting test: its number, then what differs from the ordinary."""

    def make(
        number: int,
        seconds: float | None = None,
        *,
        needs: str = "",
        priority: Priority = Priority.MEDIUM,
        file: str | None = None,
        avoid: frozenset[str] = frozenset(),
        scope: str | None = None,
        collected: bool = False,
    ) -> QueuedTest:
        pack = None if file is None and scope is None else ("entry", file or scope)
        return QueuedTest((f"t{number}", ""), number, needs, priority, seconds, pack, avoid, None, scope, collected)

    return make
