"""The Prefect API that commands speak to which start none of their own."""

from __future__ import annotations

from pathlib import Path

from pulseq.engine.api_address import configured_api
from pulseq.engine.standing import find_cluster
from pulseq.errors import UsageError


def known_api(home: Path) -> str:
    """The address of the API that is configured, else of the one that `pulseq up` keeps in this state directory.

    Raises:
        UsageError: there is neither.
    """
    configured = configured_api()
    if configured is not None:
        return configured
    cluster = find_cluster(home)
    if cluster is not None and cluster.keeper.alive and cluster.api_url:
        return cluster.api_url
    raise UsageError(
        "found no Prefect API, expected one in PREFECT_API_URL, in a Prefect profile, or of `pulseq up`: "
        "`prefect server start` starts one"
    )
