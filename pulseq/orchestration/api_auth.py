"""The auth string of a Prefect server of ours.

Who has it can do all that Prefect's API can, which is to run commands as whoever runs a worker.
"""

from __future__ import annotations

import base64
import os
import secrets

from pulseq.orchestration.server_doors import LOGIN_PATH

SERVERS_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"
CLIENTS_VARIABLE = "PREFECT_API_AUTH_STRING"


def choose_auth() -> str:
    """The auth string for a server that is about to start: the environment's, else one that nobody can guess."""
    return os.environ.get(SERVERS_VARIABLE) or f"pulseq:{secrets.token_urlsafe(32)}"


def login_url(ui_url: str, auth: str | None) -> str:
    """The address that lets a browser in to the server's pages."""
    if auth is None:
        return ui_url
    return f"{ui_url}{LOGIN_PATH}#{base64.b64encode(auth.encode()).decode()}"
