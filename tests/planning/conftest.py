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
        ordered: bool = False,
    ) -> QueuedTest:
        pack = None if file is None and scope is None else ("entry", file or scope)
        key, more = (f"t{number}", ""), (avoid, None, scope, collected, ordered)
        return QueuedTest(key, number, needs, priority, seconds, pack, *more)

    return make
