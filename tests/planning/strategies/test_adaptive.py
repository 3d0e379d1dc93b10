"""Longest first, with scarce nodes kept for those who need them."""

from __future__ import annotations

import pytest

from pulseq.planning.queued import NodeLoad
from pulseq.planning.strategies import adaptive, least_loaded, longest_first, round_robin


def test_the_longest_test_goes_first() -> None:
    assert adaptive.order_key(9.0, 2) < adaptive.order_key(1.0, 1)


@pytest.mark.parametrize("head_seconds", [None, 1.0, 100.0])
def test_classes_are_ranked_as_by_longest_first(head_seconds: float | None) -> None:
    assert adaptive.class_rank(head_seconds, 4, 9.0) == longest_first.class_rank(head_seconds, 4, 9.0)


def test_equally_fast_nodes_are_ranked_by_their_load() -> None:
    nodes = [NodeLoad(slots=4, used=used, given=7, order=3) for used in (3, 0, 5, 1)]
    assert sorted(nodes, key=adaptive.rank) == sorted(nodes, key=least_loaded.rank)


def test_it_alone_spares_scarce_nodes() -> None:
    sparing = [one for one in (adaptive, least_loaded, longest_first, round_robin) if one.SPARES_SCARCE_NODES]
    assert sparing == [adaptive]


def test_among_free_nodes_the_fastest_is_first_however_loaded() -> None:
    slow = NodeLoad(slots=2, used=0, given=0, order=1, slowness=2.0)
    fast = NodeLoad(slots=2, used=1, given=5, order=2)
    assert adaptive.rank(fast) < adaptive.rank(slow)


def test_a_free_slot_on_a_slow_node_is_better_than_waiting_on_a_fast_one() -> None:
    slow = NodeLoad(slots=2, used=1, given=0, order=1, slowness=2.0)
    full = NodeLoad(slots=2, used=2, given=5, order=2)
    assert adaptive.rank(slow) < adaptive.rank(full)
