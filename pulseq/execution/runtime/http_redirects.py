"""To whom a request says what: the credentials of its URL, and what of it goes along with a redirect."""

from __future__ import annotations

import base64
import re
import string
import urllib.parse
from typing import Dict, NamedTuple, Optional, Tuple

MOST_REDIRECTS = 10
_PORTS = {"http": 80, "https": 443}
#: What another host may hear; whatever else a test says is meant for the one that it names.
_FOR_ANYBODY = frozenset(
    ("accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "pragma", "range", "user-agent")
)
_PASSWORD = re.compile(r"^([^/?#]*//[^/?#:@]*:)[^/?#]*@")
_OF_THE_BODY = frozenset(("content-length", "content-type", "transfer-encoding"))


class Asked(NamedTuple):
    """A request; its URL has no credentials, these are among the headers."""

    url: str
    method: str
    headers: Dict[str, str]
    data: Optional[bytes] = None


class NotFollowed(Exception):
    """A redirect that leads nowhere; the text goes on after "a redirect"."""


def with_credentials(asked: Asked) -> Asked:
    """The request with user and password of its URL as a header, unless it has an `Authorization` of its own.

    Raises:
        ValueError: the URL cannot be taken apart.
    """
    parts = urllib.parse.urlsplit(asked.url)
    named, at, place = parts.netloc.rpartition("@")
    if not at:
        return asked
    headers = dict(asked.headers)
    if "authorization" not in map(str.lower, headers):
        user, _, password = named.partition(":")
        told = b":".join(map(urllib.parse.unquote_to_bytes, (user, password)))
        headers["Authorization"] = "Basic " + base64.b64encode(told).decode("ascii")
    return asked._replace(url=urllib.parse.urlunsplit(parts._replace(netloc=place)), headers=headers)


def hide_password(url: str) -> str:
    """A URL as it may be shown."""
    return _PASSWORD.sub(r"\1***@", url)


def follow(asked: Asked, status: int, location: Optional[str]) -> Optional[Asked]:
    """The request that an answer asks for instead; None where the answer stands as it is.

    A body is not sent a second time: what was no GET, HEAD or POST is not followed, and 307 or 308 after a POST
    neither. To another origin goes nothing that might be a secret.

    Raises:
        NotFollowed: the redirect leads to what is no place for a request.
    """
    may_be = ("GET", "HEAD", "POST") if status in (301, 302, 303) else ("GET", "HEAD") if status in (307, 308) else ()
    if not location or asked.method.upper() not in may_be:
        return None
    # A header is read as Latin-1, and a place may have been written with what belongs into no URL.
    there = urllib.parse.quote(location.strip(), safe=string.punctuation, encoding="iso-8859-1", errors="replace")
    try:
        url = urllib.parse.urljoin(asked.url, there)
        near = _origin(url) == _origin(asked.url) or _is_upgrade(asked.url, url)
    except ValueError as error:
        raise NotFollowed(f"to {hide_password(location)!r}, which is no address: {error}") from error
    if _origin(url)[0] not in _PORTS or not _origin(url)[1]:
        raise NotFollowed(f"to {hide_password(url)!r}, which is no http:// or https:// address")
    kept = {
        name: value
        for name, value in asked.headers.items()
        if (near or name.lower() in _FOR_ANYBODY) and name.lower() not in _OF_THE_BODY
    }
    return with_credentials(Asked(url, "HEAD" if asked.method.upper() == "HEAD" else "GET", kept))


def _origin(url: str) -> Tuple[str, str, Optional[int]]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _is_upgrade(url: str, to: str) -> bool:
    """Whether this is the same host, now asked in secret."""
    (scheme, host, port), (new_scheme, new_host, new_port) = _origin(url), _origin(to)
    return host == new_host and (scheme, port, new_scheme, new_port) == ("http", 80, "https", 443)
