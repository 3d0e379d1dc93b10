"""The auth string of the Prefect server that `pulseq up` keeps, written down for this user alone."""

from __future__ import annotations

from pathlib import Path

from pulseq.cluster.standing_cluster import find_cluster, standing_directory
from pulseq.ownership import write_own

#: In the directory of what stands, and gone with it.
AUTH_NAME = "prefect-auth"


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
