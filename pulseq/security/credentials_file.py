"""A file of credentials as somebody has put it there: whether it can be used, and if not, why and what to do."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pulseq.errors import UsageError
from pulseq.security.credentials import Credentials, parse_bundle

_RENEW = "`pulseq certs node NAME` where the site's authority is makes another"
_LONGEST = 1 << 20


def load_credentials(path: Path, *, now: datetime | None = None) -> Credentials:
    """The credentials in a file, good to be used now.

    Raises:
        UsageError: the file cannot be read, is open to others, holds something else, or is not valid now.
    """
    credentials, problem = None, None
    try:
        problem = _find_openness(path)
        if problem is None:
            credentials = parse_bundle(_read(path))
            problem = find_problem(credentials, now or datetime.now(UTC))
    except OSError as error:
        problem = f"it cannot be read ({error.strerror})"
    except ValueError as error:
        problem = str(error)
    if credentials is None or problem is not None:
        raise UsageError(f"credentials {str(path)!r}: {problem}")
    return credentials


def find_problem(credentials: Credentials, now: datetime) -> str | None:
    """Why credentials cannot be used now; None where they can.

    Raises:
        ValueError: a part of them is not what it says.
    """
    authority, own = (
        x509.load_pem_x509_certificate(pem.encode()) for pem in (credentials.authority, credentials.certificate)
    )
    for whose, certificate in (("the authority's", authority), ("its", own)):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > end:
            return f"{whose} certificate has expired on {_say(end)}, and now it is {_say(now)}; {_RENEW}"
        if now < begin:
            return (
                f"{whose} certificate is not valid before {_say(begin)}, and now it is {_say(now)}: "
                "compare the clocks of this machine and of the one where it was made"
            )
    try:
        own.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return f"its authority has not signed its certificate, so they are of two sites; {_RENEW}"
    if own.public_key() != load_pem_private_key(credentials.key.encode(), None).public_key():
        return f"its key is not the one of its certificate; {_RENEW}"
    return None


def good_until(credentials: Credentials) -> datetime:
    """When the credentials expire."""
    return x509.load_pem_x509_certificate(credentials.certificate.encode()).not_valid_after_utc


def _find_openness(path: Path) -> str | None:
    found = path.stat()
    others = 0o077 if found.st_uid == os.geteuid() else 0o007
    if stat.S_ISREG(found.st_mode) and found.st_mode & others:
        mode = stat.S_IMODE(found.st_mode)
        return f"found mode {mode:o}, expected 600: whoever reads it is a member of the site; `chmod 600` it"
    return None


def _read(path: Path) -> str:
    with path.open(encoding="ascii") as stream:
        return stream.read(_LONGEST)


def _say(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
