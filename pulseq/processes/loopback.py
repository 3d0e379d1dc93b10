"""Settings for who speaks to a Prefect API on loopback: without all the certificates of the world.

Prefect's client reads a file of them for each client that it makes, some 150 certificates and 30 to 50 ms of a
processor, also for an address that begins with http:// and never shows one. A run makes five such clients. Here
they get a file with a single certificate: one that is valid no more and whose key was never kept, since a client
that trusts none cannot be made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])[:/]")
_VARIABLE = "PREFECT_API_SSL_CERT_FILE"
_ONE_CERTIFICATE = str(Path(__file__).with_name("one_certificate.pem"))


def loopback_settings(api_url: str) -> Mapping[str, str]:
    """Environment variables for clients of this API; none where it is not on loopback, or certificates are chosen."""
    if not is_on_loopback(api_url) or _VARIABLE in os.environ:
        return {}
    return {_VARIABLE: _ONE_CERTIFICATE}


def is_on_loopback(api_url: str) -> bool:
    """Whether an API is on this machine, and speaks without TLS."""
    return _LOOPBACK.match(api_url) is not None
