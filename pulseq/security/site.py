"""The authority of a site, kept in a directory of one user: who can read it can make members."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.ownership import make_own_directory, refuse_foreign, write_own
from pulseq.security.authority import Authority
from pulseq.security.credentials import Credentials, parse_blocks

AUTHORITY_NAME = "authority.pem"


def site_directory(home: Path) -> Path:
    """Where the authority of a site is, unless another directory is named."""
    return home / "site"


def make_site(directory: Path, lifetime: timedelta) -> Path:
    """Make an authority, and keep it; the file that it is in.

    Raises:
        UsageError: there is one already, or it cannot be written.
    """
    path = directory / AUTHORITY_NAME
    if path.exists():
        raise UsageError(
            f"found an authority in {str(path)!r}, expected none: its members trust that one alone; "
            "to begin anew move the file away, and give every member a new one"
        )
    authority = Authority.make("PulseQ site", lifetime)
    try:
        make_own_directory(directory)
        write_own(path, authority.certificate + authority.key)
    except OSError as error:
        raise UsageError(f"no authority can be kept in {str(directory)!r}: {error.strerror}") from error
    return path


def load_site(directory: Path) -> Authority:
    """The authority that is kept in a directory.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
    path = directory / AUTHORITY_NAME
    refuse_foreign(path)
    try:
        certificates, keys = parse_blocks(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        raise UsageError(
            f"found no authority in {str(directory)!r}, expected {AUTHORITY_NAME} there: `pulseq certs init` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"the authority {str(path)!r} cannot be read: {error}") from error
    if (len(certificates), len(keys)) != (1, 1):
        found = f"{len(certificates)} certificates and {len(keys)} private keys"
        raise UsageError(f"authority {str(path)!r}: found {found}, expected one of each")
    return Authority(certificates[0], keys[0])


def make_member(directory: Path, name: str, lifetime: timedelta, path: Path) -> Credentials:
    """Have the authority in a directory make a member, and write what it needs to a file of one user alone.

    Raises:
        UsageError: there is no authority, or the file cannot be written.
    """
    credentials = load_site(directory).issue(name, lifetime)
    try:
        write_own(path, credentials.bundle)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    return credentials
