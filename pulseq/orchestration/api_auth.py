"""The auth string of a Prefect server of ours: chosen, kept for this user alone, and told to all parts.

Who has it can do all that Prefect's API can, which is to run commands as whoever runs a worker.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from pulseq.cluster.standing_cluster import find_cluster, standing_directory
from pulseq.orchestration.server_doors import LOGIN_PATH
from pulseq.ownership import write_own
from pulseq.processes.loopback import loopback_settings

#: In the directory of what stands, and gone with it.
AUTH_NAME = "prefect-auth"
SERVERS_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"
CLIENTS_VARIABLE = "PREFECT_API_AUTH_STRING"


def choose_auth() -> str:
    """The auth string for a server that is about to start: the environment's, else one that nobody can guess."""
    return os.environ.get(SERVERS_VARIABLE) or f"pulseq:{secrets.token_urlsafe(32)}"


def auth_path(home: Path) -> Path:
    """Where the auth string of the server that `pulseq up` keeps is."""
    return standing_directory(home) / AUTH_NAME


def keep_auth(home: Path, auth: str | None) -> None:
    """Write it down for this user alone; None takes away what was there.

    Raises:
        OSError: it cannot be written.
    """
    if auth is None:
        auth_path(home).unlink(missing_ok=True)
    else:
        write_own(auth_path(home), auth + "\n")


def read_auth(home: Path) -> str | None:
    """The auth string of the server that `pulseq up` keeps; None where it has none."""
    try:
        return auth_path(home).read_text(encoding="utf-8").removesuffix("\n") or None
    except (OSError, ValueError):
        return None


def auth_for(home: Path, api_url: str | None) -> str | None:
    """The auth string for an API, where it is that of the server that `pulseq up` keeps in this state directory."""
    cluster = find_cluster(home)
    if cluster is None or cluster.ui_url is None or not cluster.keeper.alive or cluster.api_url != api_url:
        return None
    return read_auth(home)


def client_settings(api_url: str, auth: str | None) -> Mapping[str, str]:
    """Environment variables for processes that speak to an API."""
    told = {CLIENTS_VARIABLE: auth} if auth is not None else {}
    return {"PREFECT_API_URL": api_url, **loopback_settings(api_url), **told}


def login_url(ui_url: str, auth: str | None) -> str:
    """The address that lets a browser in to the server's pages."""
    if auth is None:
        return ui_url
    return f"{ui_url}{LOGIN_PATH}#{base64.b64encode(auth.encode()).decode()}"
