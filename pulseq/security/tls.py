"""Credentials as Dask takes them."""

from __future__ import annotations

import ssl
from typing import Any

from distributed.security import Security

from pulseq.security.context import make_context
from pulseq.security.credentials import Credentials


class ClusterSecurity(Security):
    """Both ends of each connection prove that they are of one cluster.

    What Dask would do by itself with keys that are no files is to write them into a temporary directory, once for
    each kind of connection. Here no key is ever on a disk.
    """

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(require_encryption=True)  # type: ignore[no-untyped-call]
        self._calling = make_context(credentials, ssl.Purpose.SERVER_AUTH)
        self._listening = make_context(credentials, ssl.Purpose.CLIENT_AUTH)

    def get_connection_args(self, role: str) -> dict[str, Any]:
        """What Dask connects with."""
        return {**self.get_listen_args(role), "ssl_context": self._calling, "extra_conn_args": {}}

    def get_listen_args(self, role: str) -> dict[str, Any]:
        """What Dask listens with."""
        return {"ssl_context": self._listening, "require_encryption": True}


def security_of(credentials: Credentials | None) -> ClusterSecurity | None:
    """As `Client`, `Scheduler` and `Worker` take it; None leaves it to Dask's own configuration."""
    return None if credentials is None else ClusterSecurity(credentials)


def connection_args(credentials: Credentials | None) -> dict[str, Any] | None:
    """As `distributed.rpc` takes it, for who is no member."""
    return None if credentials is None else ClusterSecurity(credentials).get_connection_args("client")
