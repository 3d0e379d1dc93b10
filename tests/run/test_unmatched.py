"""How long tests wait for a node that is not there."""

from __future__ import annotations

from pulseq.run.unmatched import UnmatchedWatch


def test_what_no_node_ever_fitted_is_due_at_once() -> None:
    watch = UnmatchedWatch(60.0)

    assert watch.due(["browser"], now=100.0) == ["browser"]
    assert watch.seconds_left(now=100.0) is None


def test_what_has_lost_its_node_waits_for_one_to_come_back() -> None:
    watch = UnmatchedWatch(60.0)
    watch.note_fit("browser")

    assert watch.due(["browser"], now=100.0) == []
    assert watch.seconds_left(now=130.0) == 30.0
    assert watch.due(["browser"], now=159.9) == []
    assert watch.due(["browser"], now=160.0) == ["browser"]


def test_a_node_that_came_back_starts_the_wait_anew() -> None:
    watch = UnmatchedWatch(60.0)
    watch.note_fit("browser")
    watch.due(["browser"], now=100.0)

    assert watch.due([], now=150.0) == []
    assert watch.seconds_left(now=150.0) is None
    assert watch.due(["browser"], now=170.0) == []


def test_what_begins_to_wait_is_told_once() -> None:
    watch = UnmatchedWatch(60.0)
    watch.note_fit("browser")
    watch.due(["browser", "never"], now=100.0)

    assert ["browser"] == watch.take_begun()
    watch.due(["browser"], now=101.0)
    assert [] == watch.take_begun()
    watch.due([], now=102.0)
    watch.due(["browser"], now=103.0)
    assert ["browser"] == watch.take_begun()
