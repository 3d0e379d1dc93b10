"""What waits, as planning sees it."""

from __future__ import annotations

from pulseq.models import Priority
from pulseq.planning.queued import QueuedTest


def test_a_test_that_is_taken_apart_keeps_its_place_and_nothing_that_binds_it() -> None:
    packed = QueuedTest(("t", ""), 7, "any", Priority.HIGH, 0.5, ("unit", "test_a.py"), group="Class", scope="db")

    apart = packed.apart(frozenset({"lost"}))

    assert QueuedTest(("t", ""), 7, "any", Priority.HIGH, 0.5, avoid=frozenset({"lost"}), group="Class") == apart
