"""Marks that flow runs make and see."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pulseq.marks import MarkState, NodeMark
from pulseq.results.health_journal import read_known_marks
from pulseq.run.node_marking import MarkRequest, is_recent, keep_marks, mark_nodes, news_of_marks

DRAINING = NodeMark("a", MarkState.DRAINING, "firmware", "anna", 5.0)
OPENED = NodeMark("a", MarkState.OPEN, "", "bert", 6.0)


@pytest.mark.parametrize(
    ("now", "before", "news"),
    [
        ({}, {}, []),
        ({"a": DRAINING}, {}, [DRAINING]),
        ({"a": DRAINING}, {"a": DRAINING}, []),
        ({"a": OPENED}, {"a": DRAINING}, [OPENED]),
        ({"a": OPENED}, {"a": OPENED}, []),
        ({"a": OPENED}, {}, []),
        ({}, {"a": OPENED}, []),
        ({}, {"a": DRAINING}, [NodeMark("a", MarkState.OPEN, at=9.0)]),
    ],
)
def test_news_are_what_the_looks_before_have_not_seen(
    now: dict[str, NodeMark], before: dict[str, NodeMark], news: list[NodeMark]
) -> None:
    assert news == news_of_marks(now, before, 9.0)


def test_what_is_kept_is_known_to_the_next_look(tmp_path: Path) -> None:
    keep_marks(tmp_path, [DRAINING])
    keep_marks(tmp_path, [OPENED])

    assert {"a": OPENED} == read_known_marks(tmp_path)


def test_what_was_marked_long_ago_is_no_news() -> None:
    assert is_recent(DRAINING, 60.0)
    assert not is_recent(DRAINING, 7200.0)


@pytest.mark.parametrize(("nodes", "why"), [([], "found no node, expected ids"), (["a"], "`pulseq up` starts them")])
def test_a_flow_run_that_cannot_mark_says_why(tmp_path: Path, nodes: list[str], why: str) -> None:
    state = asyncio.run(mark_nodes(MarkRequest(nodes, MarkState.DRAINING, "", "anna", tmp_path)))

    assert "NotMarked" == state.name
    assert why in state.message
