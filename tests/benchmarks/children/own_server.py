"""Starts the Prefect server of a run and nothing else; prints how long it took until it answered."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from pulseq.orchestration.api_server import EmbeddedServer


async def start(directory: Path) -> float:
    """Seconds from the start of its process to its first answer."""
    began = time.perf_counter()
    server = await EmbeddedServer.start(state_directory=directory, run_directory=directory / "run")
    try:
        await server.ready()
        return time.perf_counter() - began
    finally:
        await server.stop()


def main() -> None:
    configuration = json.loads(sys.argv[1])
    print(json.dumps({"seconds": asyncio.run(start(Path(configuration["directory"])))}))


if __name__ == "__main__":
    main()
