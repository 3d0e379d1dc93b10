"""An HTTP request as a body: asked once, its answer compared with what was expected."""

from __future__ import annotations

import http.client
import ipaddress
import signal
import sys
import time
import urllib.parse
import urllib.request
from types import FrameType
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .blotting import blot
from .body_ending import outcome
from .forked_body import Outcome, start_fork
from .http_redirects import MOST_REDIRECTS, Asked, NotFollowed, follow, hide_password, with_credentials

#: No more than this is read of an answer.
LONGEST_ANSWER = 8 * 1024 * 1024
_CHUNK = 64 * 1024
_SHOWN_BYTES = 4096
_EXCERPT = 200


class Response(NamedTuple):
    """What came back; `seconds` from the request to the last byte that was read."""

    status: int
    reason: str
    headers: str
    charset: str
    body: bytes
    complete: bool
    seconds: float


class _TooSlow(Exception):
    """The answer took longer than the test allows."""


class _CutShort(Exception):
    """The connection ended before the answer did."""


def start(order: Mapping[str, Any], environment: Dict[str, str], output_fd: int) -> Tuple[int, int]:
    """Start the request in a fork; see `start_fork`."""
    return start_fork(run, order, environment, output_fd)


def run(order: Mapping[str, Any]) -> Outcome:
    """Ask and judge. What came is written to the output, shortened."""
    body = order["body"]
    name = f"{body['method']} {hide_password(body['url'])}"
    try:
        asked = _request(body)
    except (ValueError, http.client.HTTPException) as error:
        return outcome("error", "setup", f"{name} is no request that can be made: {error}")
    started = time.monotonic()
    try:
        answer = _ask(asked, body)
    except _TooSlow:
        return outcome(
            "failed",
            "assertion",
            f"{name}: no complete answer within {body['max_seconds']:g} s",
            response_time=time.monotonic() - started,
        )
    except NotFollowed as error:
        return outcome("failed", "assertion", f"{name}: {error}", response_time=time.monotonic() - started)
    except _CutShort as error:
        return outcome("error", "exception", f"{name}: the answer was cut short: {error}")
    except (ValueError, http.client.InvalidURL) as error:
        return outcome("error", "setup", f"{name} is no request that can be made: {error}")
    except (OSError, http.client.HTTPException) as error:
        return outcome("error", "exception", f"{name}: no answer: {_explain(error)}")
    _show(answer)
    problems = _problems(answer, body)
    if problems:
        error_text = f"{name}: " + "; ".join(problems)
        return outcome("failed", "assertion", error_text, response_time=answer.seconds)
    return outcome("passed", response_time=answer.seconds)


def _request(body: Mapping[str, Any]) -> Asked:
    parts = urllib.parse.urlsplit(body["url"])
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected http://HOST... or https://HOST...")
    data = None if body["body"] is None else body["body"].encode("utf-8")
    headers = {"User-Agent": "pulseq", **body["headers"]}
    # urllib names a body without a type a form; a test means what it says.
    if data is not None and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = "text/plain; charset=utf-8"
    return with_credentials(Asked(body["url"], body["method"], headers, data))


def _ask(asked: Asked, body: Mapping[str, Any]) -> Response:
    follows = not any(300 <= status < 400 for status in body["expect_status"])
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, body["max_seconds"] or 0)
    started = time.monotonic()
    try:
        with _open(asked, follows) as response:
            data, complete = _read(response)
        seconds = time.monotonic() - started
        headers = response.headers
        charset = headers.get_content_charset("utf-8")
        return Response(response.status, response.reason, str(headers), charset, data, complete, seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _open(asked: Asked, follows: bool) -> http.client.HTTPResponse:
    """The answer that counts, of which the body is still to be read; that of a redirect is not."""
    for _ in range(MOST_REDIRECTS + 1):
        request = urllib.request.Request(asked.url, data=asked.data, headers=asked.headers, method=asked.method)
        response: http.client.HTTPResponse = _opener(urllib.parse.urlsplit(asked.url).hostname or "").open(request)
        try:
            following = follow(asked, response.status, response.headers.get("Location")) if follows else None
        except NotFollowed as error:
            response.close()
            raise NotFollowed(f"answered {response.status} {response.reason}, a redirect {error}") from error
        if following is None:
            return response
        response.close()
        asked = following
    raise NotFollowed(f"more than {MOST_REDIRECTS} redirects, the last one to {hide_password(asked.url)!r}")


def _give_up(number: int, frame: Optional[FrameType]) -> None:
    raise _TooSlow


def _opener(host: str) -> urllib.request.OpenerDirector:
    """What speaks http and https alone, through the environment's proxies unless the host is this machine.

    It takes every answer as one: errors and redirects are judged here.
    """
    proxies: Optional[Dict[str, str]] = {} if _is_loopback(host) else None
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(proxies), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()):
        opener.add_handler(handler)
    return opener


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(response: http.client.HTTPResponse) -> Tuple[bytes, bool]:
    """The body of an answer as far as it may be long, and whether that is all of it."""
    data = bytearray()
    while len(data) <= LONGEST_ANSWER:
        try:
            chunk = response.read(_CHUNK)
        except http.client.IncompleteRead as cut:
            raise _CutShort(f"{len(data) + len(cut.partial)} bytes came, and no end") from cut
        if not chunk and response.length:
            raise _CutShort(f"{len(data)} of {len(data) + response.length} bytes came")
        if not chunk:
            return bytes(data), True
        data += chunk
    return bytes(data[:LONGEST_ANSWER]), False


def _problems(answer: Response, body: Mapping[str, Any]) -> List[str]:
    """Everything in which an answer differs from what was expected."""
    problems: List[str] = []
    if answer.status not in body["expect_status"]:
        expected = " or ".join(map(str, body["expect_status"]))
        problems.append(f"answered {answer.status} {answer.reason}, expected {expected}")
    text = _decode(answer.body, answer.charset)
    if body["expect_text"] is not None and body["expect_text"] not in text:
        where = "" if answer.complete else f" in its first {LONGEST_ANSWER} bytes"
        problems.append(f"expected the text {body['expect_text']!r}{where}, found {blot(text, 0, _EXCERPT)!r}")
    if body["max_seconds"] is not None and answer.seconds > body["max_seconds"]:
        problems.append(f"answered after {answer.seconds:.3f} s, expected within {body['max_seconds']:g} s")
    return problems


def _decode(data: bytes, charset: str) -> str:
    """Bytes of an answer as text, by the charset that its `Content-Type` names; UTF-8 where that is none."""
    try:
        return data.decode(charset, "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _explain(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__


def _show(answer: Response) -> None:
    shown = _decode(blot(answer.body, 0, _SHOWN_BYTES), answer.charset)
    more = "" if len(answer.body) <= _SHOWN_BYTES else "\n[...]"
    sys.stdout.write(f"{answer.status} {answer.reason}\n{answer.headers.strip()}\n\n{shown}{more}\n")
