"""Keeps our server, scheduler and nodes up until standard input ends; prints their addresses."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from pulseq.cluster.own_nodes import OwnNodes
from pulseq.fleet import Fleet, NodeSpec
from pulseq.orchestration.api_server import EmbeddedServer


async def stand(directory: Path, nodes: int, slots: int) -> None:
    """Until standard input ends."""
    server = await EmbeddedServer.start(state_directory=directory, run_directory=directory / "standing")
    fleet = Fleet(tuple(NodeSpec(f"node{number}", max_concurrent_tests=slots) for number in range(nodes)))
    local = OwnNodes(
        fleet,
        run_directory=directory / "standing",
        heartbeat_seconds=5.0,
        node_timeout_seconds=60.0,
        environment={"PREFECT_API_URL": server.api_url},
    )
    try:
        await local.start()
        _, scheduler = await asyncio.gather(server.ready(), local.join())
        sys.stdout.write(json.dumps({"api_url": server.api_url, "scheduler": scheduler}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await local.stop()
        await server.stop()


def main() -> None:
    configuration = json.loads(sys.argv[1])
    asyncio.run(stand(Path(configuration["directory"]), configuration["nodes"], configuration["slots"]))


if __name__ == "__main__":
    main()
