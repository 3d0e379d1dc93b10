"""Where nodes and runs of other machines reach what stands, and what they have to show there."""

from __future__ import annotations

import errno
import socket
from datetime import timedelta
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.security.credentials import Credentials
from pulseq.security.greeting import split_address

#: The scheduler's own certificate is made anew at each start; it is good for as long as its authority.
_LIFETIME = timedelta(days=36500)


def read_listen(text: str) -> str:
    """ADDRESS:PORT at which this machine can listen.

    Raises:
        UsageError: it is none, or somebody else listens there.
    """
    try:
        host, port = split_address(text)
    except ValueError:
        raise UsageError(
            f"--listen: found {text!r}, expected ADDRESS:PORT, as 10.0.0.5:8786 or [fd00::5]:8786; 0.0.0.0 is every "
            "address of this one"
        ) from None
    # What is of this machine reaches it by the same port of loopback.
    for address in dict.fromkeys((host, "127.0.0.1")):
        try:
            family, *_, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
        except OSError as error:
            taken = f"something listens there already ({address}, port {port}); choose another port"
            why = taken if error.errno == errno.EADDRINUSE else error.strerror
            raise UsageError(f"--listen: {text!r} cannot be used: {why}") from error
    return text.rpartition("://")[2]


def credentials_to_listen(home: Path, path: Path | None) -> Credentials:
    """Those of a scheduler that members of a site join: of a file, else made by the authority in the state directory.

    Raises:
        UsageError: there are none.
    """
    # What reads certificates takes a moment to load.
    from pulseq.security.credentials_file import load_credentials
    from pulseq.security.site import load_site, site_directory

    if path is not None:
        return load_credentials(path)
    return load_site(site_directory(home)).issue("scheduler", _LIFETIME)
