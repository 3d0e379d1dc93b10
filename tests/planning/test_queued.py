"""What planning knows of a node."""

from __future__ import annotations

from pulseq.planning.queued import NodeLoad


def test_load_is_the_share_of_slots_taken() -> None:
    assert NodeLoad(slots=4, used=1, given=9, order=1).load == 0.25


def test_dispatches_that_wait_on_a_node_count_as_load() -> None:
    assert NodeLoad(slots=2, used=3, given=3, order=1).load == 1.5
