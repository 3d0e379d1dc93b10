"""Servers on loopback, and settings for who speaks to one of Prefect's: without all certificates, and no proxy.

Prefect's client reads a file of them for each client that it makes, some 150 certificates and 30 to 50 ms of a
processor, also for an address that begins with http:// and never shows one. A run makes five such clients. Here
they get a file with a single certificate: one that is valid no more and whose key was never kept, since a client
that trusts none cannot be made.

A proxy that the environment names would be another machine's loopback, and clients heed it unless NO_PROXY says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])[:/]")
_VARIABLE = "PREFECT_API_SSL_CERT_FILE"
_PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_HERE = ("127.0.0.1", "localhost", "::1")
ONE_CERTIFICATE = str(Path(__file__).with_name("one_certificate.pem"))


def loopback_settings(api_url: str) -> Mapping[str, str]:
    """Environment variables for clients of this API; none where it is not on loopback, or certificates are chosen."""
    if not is_on_loopback(api_url) or _VARIABLE in os.environ:
        return {}
    return {_VARIABLE: ONE_CERTIFICATE}


def bind_loopback() -> socket.socket:
    """A listening socket on a free port of this machine."""
    return socket.create_server(("127.0.0.1", 0), backlog=2048)


def is_on_loopback(api_url: str) -> bool:
    """Whether an API is on this machine, and speaks without TLS."""
    return _LOOPBACK.match(api_url) is not None


def direct_settings(api_url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables with which clients of an API on loopback ask no proxy; none where with these they ask none anyway."""
    named = any(environment.get(name) for name in _PROXY_VARIABLES)
    left_out = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    known = {name.strip() for name in left_out.split(",")} - {""}
    if not named or not is_on_loopback(api_url) or known.issuperset(_HERE) or "*" in known:
        return {}
    return {"no_proxy": ",".join((*filter(None, [left_out]), *_HERE))}


class _Asking:
    """Who asks an API on loopback in this process: the first has the environment changed, the last changes it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._before: list[str | None] = []

    @contextlib.contextmanager
    def with_settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        with self._lock:
            self._count += 1
            if settings:
                self._before.append(os.environ.get("no_proxy"))
                os.environ.update(settings)
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if not self._count and self._before:
                    self._restore()

    def _restore(self) -> None:
        before = self._before[0]
        self._before.clear()
        if before is None:
            os.environ.pop("no_proxy", None)
        else:
            os.environ["no_proxy"] = before


_asking = _Asking()


def without_proxy(api_url: str) -> contextlib.AbstractContextManager[None]:
    """Have clients that are made meanwhile ask an API on loopback itself, whatever proxy the environment names."""
    if not is_on_loopback(api_url):
        return contextlib.nullcontext()
    return _asking.with_settings(direct_settings(api_url, os.environ))
