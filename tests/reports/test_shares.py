"""How the work of a run was shared."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pulseq.events import NodeJoined, NodeLost
from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.reports.shares import NodeWork, share_nodes


def test_a_node_is_busy_for_as_long_as_its_attempts_took(plot, tell_story: Callable) -> None:
    failed_once = ((Status.FAILED, Reason.ASSERTION), (Status.PASSED, None))
    story = tell_story([plot("a", 2.0, failed_once), plot("b", 1.0)], {"n": (1, {})})
    [share] = share_nodes(story.record)
    wall = story.record.finished.wall_seconds
    assert NodeWork("n", 1, 2, 5.0, pytest.approx(5.0 / wall), 0, False) == share


def test_a_node_that_did_nothing_has_its_row(tell_story: Callable) -> None:
    assert [NodeWork("n", 3, 0, 0.0, 0.0, 0, False)] == share_nodes(tell_story([], {"n": (3, {})}).record)


def test_nodes_stand_as_people_count_them(tell_story: Callable) -> None:
    joined = dict.fromkeys(("node10", "node2", "lab", "node1"), (1, {}))
    assert ["lab", "node1", "node2", "node10"] == [one.node_id for one in share_nodes(tell_story([], joined).record)]


def test_a_lost_node_is_marked(checkout) -> None:
    record = checkout.record
    record.apply(NodeLost("bench-2", "died"))
    assert [share.node_id for share in share_nodes(record) if share.lost] == ["bench-2"]


@pytest.mark.parametrize(
    ("losses", "back", "said"),
    [(0, False, ""), (1, False, "lost"), (1, True, "lost, came back"), (2, True, "lost 2 times, came back")],
)
def test_a_node_that_came_back_is_not_told_as_gone(checkout, losses: int, back: bool, said: str) -> None:
    record = checkout.record
    for _ in range(losses):
        record.apply(NodeLost("bench-2", "died"))
    if back:
        record.apply(NodeJoined("bench-2", "localhost", 2, {}))
    assert [share.said_of_losses for share in share_nodes(record) if share.node_id == "bench-2"] == [said]


def test_a_run_without_nodes_has_no_shares() -> None:
    assert share_nodes(RunRecord()) == []
