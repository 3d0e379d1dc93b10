"""What a scheduler tells of the nodes that come and go."""

from __future__ import annotations

import asyncio
from typing import Any

from pulseq.cluster.node_watch import NodeWatch
from pulseq.protocol.coding import PROTOCOL
from pulseq.protocol.entry_points import NODE_TOPIC
from tests.dask_nodes import open_node, open_scheduler, open_worker


def test_each_arrival_and_departure_is_told_with_labels() -> None:
    async def watch() -> tuple[list[Any], list[str]]:
        async with open_scheduler() as scheduler:
            scheduler.add_plugin(NodeWatch(scheduler))
            async with open_node(scheduler, "n", slots=2) as node, open_worker(scheduler, "a stranger") as stranger:
                addresses = [node.address, stranger.address]
            return [message for _, message in scheduler.get_events(NODE_TOPIC)], addresses

    told, (node, stranger) = asyncio.run(watch())

    labels = {"id": "n", "slots": 2, "capabilities": {"os": "linux"}, "protocol": PROTOCOL}
    left = {"event": "left", "why": "its connection ended"}
    assert [
        {"event": "joined", "address": node, "name": "n", "labels": labels},
        {"event": "joined", "address": stranger, "name": "a stranger", "labels": {}},
        {**left, "address": stranger},
        {**left, "address": node},
    ] == told


def test_one_that_is_silent_for_too_long_is_told_as_such() -> None:
    async def watch() -> list[str]:
        async with open_scheduler() as scheduler:
            scheduler.add_plugin(NodeWatch(scheduler))
            async with open_node(scheduler) as node:
                await scheduler.remove_worker(node.address, stimulus_id="check-worker-ttl-1")
                return [message["why"] for _, message in scheduler.get_events(NODE_TOPIC) if message["event"] == "left"]

    assert ["it was silent for longer than node_timeout"] == asyncio.run(watch())
