"""Whether a worker that has registered as a node can take part, and what is said where none can."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest

from pulseq import __version__
from pulseq.cluster.node_check import find_trouble, say_no_nodes, say_strangers
from pulseq.protocol.coding import PROTOCOL

DASK = importlib.metadata.version("distributed")
LABELS = {"id": "n", "protocol": PROTOCOL, "version": __version__, "dask": DASK}


def test_a_node_of_this_release_can_take_part() -> None:
    assert find_trouble(LABELS) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"trouble": "this node cannot run tests: no"}, "this node cannot run tests: no"),
        ({"protocol": 99}, f"speaks protocol 99, this one {PROTOCOL}"),
        ({"version": "0.0.9"}, f"it has PulseQ 0.0.9, this side {__version__}"),
        ({"slots": -3}, "found slots -3, expected a number from 1"),
        ({"slots": 2.5}, "found slots 2.5, expected a number from 1"),
        ({"capabilities": {"ram": float("nan")}}, "found capability 'ram' nan, expected a finite number"),
        ({"dask": "2025.1.0"}, f"it has Dask's distributed 2025.1.0, this side {DASK}"),
    ],
)
def test_one_that_cannot_is_told_with_both_versions(said: dict[str, Any], words: str) -> None:
    assert words in str(find_trouble({**LABELS, **said}))


@pytest.mark.parametrize(("address", "how"), [("tcp://s:1", ""), ("tls://s:1", " --credentials FILE")])
def test_a_scheduler_without_workers_is_told_with_both_ways_to_have_one(address: str, how: str) -> None:
    assert (
        f"the scheduler at '{address}' has no PulseQ node: start one, "
        f"by `pulseq node start --scheduler {address}{how}`, "
        f"or of a Dask worker, `dask worker {address} --preload pulseq.node.preload`"
    ) == say_no_nodes(address, 0, {})


def test_a_scheduler_with_others_alone_says_how_many() -> None:
    assert "has no PulseQ node, but 2 workers of others" in say_no_nodes("tcp://s:1", 2, {})


def test_nodes_that_were_refused_are_the_reason() -> None:
    assert "has no PulseQ node that can run tests: a cannot take part: old; b cannot take part: no" in say_no_nodes(
        "tcp://s:1", 1, {"b": "no", "a": "old"}
    )


@pytest.mark.parametrize(("count", "words"), [(1, "1 worker there is no"), (3, "3 workers are no")])
def test_strangers_are_counted(count: int, words: str) -> None:
    assert words in say_strangers(count)
    assert "--preload pulseq.node.preload" in say_strangers(count)
