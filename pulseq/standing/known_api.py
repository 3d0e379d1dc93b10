"""The Prefect API that commands speak to which start none of their own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pulseq.cluster.standing_cluster import find_cluster
from pulseq.errors import UsageError
from pulseq.orchestration.api_address import configured_api
from pulseq.orchestration.api_auth import CLIENTS_VARIABLE
from pulseq.standing.kept_auth import auth_for


@dataclass(frozen=True, slots=True)
class KnownApi:
    """An API, and the auth string that it asks for where it is ours."""

    url: str
    auth: str | None = field(default=None, repr=False)


def known_api(home: Path) -> KnownApi:
    """The API that is configured, else the one that `pulseq up` keeps in this state directory.

    Raises:
        UsageError: there is neither.
    """
    url = configured_api()
    if url is None:
        cluster = find_cluster(home)
        url = cluster.api_url if cluster is not None and cluster.keeper.alive else None
    if url:
        return KnownApi(url, auth_for(home, url))
    raise UsageError(
        "found no Prefect API, expected one in PREFECT_API_URL, in a Prefect profile, or of `pulseq up`: "
        "`prefect server start` starts one"
    )


def configure(api: KnownApi) -> None:
    """Have Prefect speak to it, and processes that it starts."""
    os.environ["PREFECT_API_URL"] = api.url
    if api.auth is not None:
        os.environ.setdefault(CLIENTS_VARIABLE, api.auth)
    if "prefect" in sys.modules:  # it read its settings when it was imported, as for what a profile says
        from pulseq.orchestration.prefect_client import read_settings_anew

        read_settings_anew()
