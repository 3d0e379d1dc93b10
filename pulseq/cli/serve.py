"""`pulseq serve`: deployments without a work pool, for a laptop."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.orchestration.api_address import check_api
from pulseq.ownership import default_home
from pulseq.standing.known_api import configure, known_api
from pulseq.suites.prefect_file import PROJECT_FILE, read_project


def serve(*names: str, project: Path | None = None, limit: int = 2) -> int:
    """Serve the deployments of prefect.yaml from here, until Ctrl-C: no work pool, no worker.

    Args:
        names: Deployments to serve; by default all of them.
        project: The file they are written in; by default `prefect.yaml` of the working directory.
        limit: How many of their runs may go on at once.
    """
    if limit < 1:
        raise UsageError(f"--limit: found {limit}, expected a number of at least 1")
    written = read_project(project or Path(PROJECT_FILE))
    deployments = written.choose(names)
    api = known_api(default_home())
    asyncio.run(check_api(api.url))
    configure(api)
    from pulseq.orchestration.deployments import serve_deployments

    print(f"serving {', '.join(one.name for one in deployments)} for {api.url}; Ctrl-C ends it", file=sys.stderr)
    asyncio.run(serve_deployments(written, deployments, limit=limit))
    return 0
