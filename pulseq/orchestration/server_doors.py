"""Who may speak to a Prefect server: its own pages and programs, by the names that are its own.

Prefect's server answers any page and any host name, and who may speak to it can have commands run wherever a worker
is. So every request is looked at before Prefect sees it:

- a `Host` that is none of the server's names is refused, since a page of any domain can have that domain point here;
- an `Origin` other than the server's is refused, also where a browser asks nobody first (a plain POST);
- no page of others may show the server's pages inside of it, to have somebody click there.

The standard library alone, and Prefect for `create_app`: `deployments/server/compose.yaml` puts this one file into
a container.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
#: What lets a browser in: the auth string stands behind the `#`, as Base64, which no server ever sees.
LOGIN_PATH = "/pulseq-login"
#: Where Prefect's pages, old and new, look for the auth string.
BROWSERS_KEY = "prefect-password"
_LOGIN_PAGE = f"""<!doctype html>
<meta charset="utf-8"><title>PulseQ</title>
<p id="told">This page needs JavaScript: what stands behind the # of its address is the auth string, as Base64.</p>
<script>
const told = location.hash.slice(1);
if (told) {{
  localStorage.setItem("{BROWSERS_KEY}", told);
  location.replace("/");
}} else {{
  document.getElementById("told").textContent = "Nothing stands behind the # of this address: " +
    "`pulseq status --url` tells the whole of it.";
}}
</script>
"""
_NO_FRAMES = [(b"x-frame-options", b"DENY"), (b"content-security-policy", b"frame-ancestors 'none'")]


def origins_of(names: Iterable[str], port: int) -> tuple[str, ...]:
    """The origins of pages that a server at this port gives, by each of its names."""
    return tuple(f"http://{name}:{port}" for name in names)


def find_refusal(
    hosts: list[str], origins: list[str], *, names: Iterable[str], allowed_origins: Iterable[str]
) -> str | None:
    """Why a request is refused, or None where it is not. Pure.

    Args:
        hosts, origins: its `Host` and `Origin` headers.
        names: the server's names, without a port: by way of a tunnel it may have any.
        allowed_origins: those of pages of its own; besides the one that the request is made to.
    """
    if len(hosts) != 1 or _without_port(hosts[0].lower()) not in names:
        return f"found host {', '.join(hosts)!r}, expected one of {', '.join(names)}"
    own = {f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")}.union(allowed_origins)
    foreign = [origin for origin in origins if origin.lower() not in own]
    if foreign:
        return f"found a request of the page {foreign[0]!r}, expected one of the server's own"
    return None


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


class Doors:
    """An ASGI application before another one, which lets in whom that one is for.

    Args:
        with_login: whether there is an auth string that a browser may be given (`LOGIN_PATH`).
    """

    def __init__(self, app: App, *, names: Iterable[str], origins: Iterable[str], with_login: bool) -> None:
        self._app = app
        self._names = tuple(names)
        self._origins = frozenset(origins)
        self._with_login = with_login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        why = find_refusal(
            _values(scope, b"host"), _values(scope, b"origin"), names=self._names, allowed_origins=self._origins
        )
        if scope["type"] == "websocket":
            if why is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": "not for you"})
        elif why is not None:
            await _answer(send, 403, "text/plain", why)
        elif self._with_login and scope["path"] == LOGIN_PATH:
            await _answer(send, 200, "text/html", _LOGIN_PAGE)
        else:
            await self._app(scope, receive, _without_frames(send))


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _without_frames(send: Send) -> Send:
    async def send_so(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_NO_FRAMES]}
        await send(message)

    return send_so


async def _answer(send: Send, status: int, kind: str, text: str) -> None:
    body = text.encode(errors="replace")
    headers = [
        (b"content-type", f"{kind}; charset=utf-8".encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        *_NO_FRAMES,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_app() -> App:
    """Prefect's whole server behind these doors, for `uvicorn --factory`.

    It has the names of loopback and those in Prefect's setting of allowed origins (`*` names none).
    """
    from prefect.server.api.server import create_app as create_prefect
    from prefect.settings import PREFECT_SERVER_API_AUTH_STRING, PREFECT_SERVER_CORS_ALLOWED_ORIGINS

    origins = read_origins(PREFECT_SERVER_CORS_ALLOWED_ORIGINS.value())
    return Doors(
        create_prefect(final=True),
        names=[*LOOPBACK_NAMES, *(_without_port(origin.rpartition("//")[2]) for origin in origins)],
        origins=origins,
        with_login=bool(PREFECT_SERVER_API_AUTH_STRING.value()),
    )


def read_origins(setting: str) -> list[str]:
    """The origins that Prefect's setting names, as browsers write them."""
    named = (origin.strip().lower().rstrip("/") for origin in setting.split(","))
    return [origin for origin in named if origin.startswith(("http://", "https://"))]
