"""What either end of a connection goes by, as Python takes it."""

from __future__ import annotations

import os
import ssl

from pulseq.security.credentials import Credentials


def make_context(credentials: Credentials, purpose: ssl.Purpose) -> ssl.SSLContext:
    """The other end has a certificate of the same authority, or is refused.

    Members are known by addresses of any kind, so no host name is looked at.

    Args:
        purpose: `SERVER_AUTH` for who calls, `CLIENT_AUTH` for who listens.
    """
    context = ssl.create_default_context(purpose, cadata=credentials.authority)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a site's own authority need not be made by us
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # A file is what it takes, so it gets one that is in memory alone.
    descriptor = os.memfd_create("credentials")
    try:
        os.write(descriptor, (credentials.certificate + credentials.key).encode("ascii"))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context
