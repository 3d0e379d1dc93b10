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


def test_nodes_are_ranked_by_their_load() -> None:
    node = NodeLoad(slots=4, used=1, given=7, order=3)
    assert adaptive.rank(node) == least_loaded.rank(node)


def test_it_alone_spares_scarce_nodes() -> None:
    sparing = [one for one in (adaptive, least_loaded, longest_first, round_robin) if one.SPARES_SCARCE_NODES]
    assert sparing == [adaptive]
