"""Who may speak to a Prefect server, as a rule and before an application; with Prefect's own pages held against it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import prefect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.orchestration.server_doors import (
    BROWSERS_KEY,
    LOGIN_PATH,
    LOOPBACK_NAMES,
    Doors,
    Message,
    Receive,
    Scope,
    Send,
    find_refusal,
    origins_of,
    read_origins,
)

PORT = 4200
OWN = origins_of(LOOPBACK_NAMES, PORT)
NAMES = st.sampled_from(LOOPBACK_NAMES)


def refusal(host: str, *origins: str) -> str | None:
    return find_refusal([host], list(origins), names=LOOPBACK_NAMES, allowed_origins=OWN)


@given(host=NAMES, port=st.none() | st.integers(1, 65535), page=st.none() | NAMES)
def test_its_own_names_are_answered_at_any_port_and_its_own_pages(
    host: str, port: int | None, page: str | None
) -> None:
    called = host if port is None else f"{host}:{port}"

    assert refusal(called) is None
    assert refusal(called, f"http://{called}") is None
    assert refusal(called, *([f"http://{page}:{PORT}"] if page else [])) is None


@given(
    host=st.text(st.characters(codec="ascii", exclude_characters=":")).filter(
        lambda name: name.lower() not in LOOPBACK_NAMES
    )
)
def test_any_other_name_is_refused(host: str) -> None:
    assert refusal(host) is not None
    assert refusal(f"{host}:{PORT}") is not None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:4200",
        "127.0.0.1.evil.example:4200",
        "localhost.evil.example",
        "localhost.",
        "evil@localhost",
        "",
        "127.0.0.1:80:4200",
    ],
)
def test_a_name_that_only_looks_like_an_own_one_is_refused(host: str) -> None:
    assert "found host" in str(refusal(host))


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1:4200", "127.0.0.1:4200"]])
def test_no_name_and_two_names_are_refused(hosts: list[str]) -> None:
    assert find_refusal(hosts, [], names=LOOPBACK_NAMES, allowed_origins=OWN) is not None


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:8888",  # another program of this machine
        "http://localhost:42000",
        "http://127.0.0.1:4200.evil.example",
        "file://",
        "",
    ],
)
def test_any_other_page_is_refused(origin: str) -> None:
    assert "found a request of the page" in str(refusal("127.0.0.1:4200", origin))
    assert refusal("127.0.0.1:4200", OWN[0], origin) is not None


def test_names_and_origins_are_the_same_in_capitals() -> None:
    assert refusal("LocalHost:4200", "HTTP://LOCALHOST:4200") is None


@pytest.mark.parametrize(
    ("setting", "origins"),
    [
        ("*", []),
        ("", []),
        ("http://127.0.0.1:4200, https://Prefect.Example/", ["http://127.0.0.1:4200", "https://prefect.example"]),
    ],
)
def test_the_setting_of_allowed_origins_is_read_as_browsers_write_them(setting: str, origins: list[str]) -> None:
    assert origins == read_origins(setting)


class Told(list[Message]):
    """What an application sends."""

    async def send(self, message: Message) -> None:
        self.append(message)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self[0]["headers"])


def ask(scope: dict[str, Any], *, with_login: bool = True) -> tuple[Told, bool]:
    """What doors say, and whether what is behind them was asked."""
    told, asked = Told(), False

    async def behind(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal asked
        asked = True
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-behind", b"yes")]})
        await send({"type": "http.response.body", "body": b"behind"})

    async def nothing() -> Message:
        raise AssertionError("something was waited for")

    doors = Doors(behind, names=LOOPBACK_NAMES, origins=OWN, with_login=with_login)
    asyncio.run(doors({"path": "/", "headers": [], **scope}, nothing, told.send))
    return told, asked


def headers(host: str, *origins: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", host.encode()), *((b"origin", origin.encode()) for origin in origins)]


def test_a_request_of_its_own_goes_through_and_its_answer_may_not_be_framed() -> None:
    told, asked = ask({"type": "http", "headers": headers("127.0.0.1:4200")})

    assert asked
    assert (b"yes", b"DENY") == (told.headers[b"x-behind"], told.headers[b"x-frame-options"])
    assert b"behind" == told[1]["body"]


@pytest.mark.parametrize("foreign", [headers("evil.example"), headers("127.0.0.1:4200", "http://evil.example"), []])
def test_a_foreign_request_reaches_nothing(foreign: list[tuple[bytes, bytes]]) -> None:
    told, asked = ask({"type": "http", "headers": foreign})
    socket, reached = ask({"type": "websocket", "headers": foreign})

    assert (False, False) == (asked, reached)
    assert (403, "websocket.close") == (told[0]["status"], socket[0]["type"])


def test_what_is_no_request_goes_through() -> None:
    assert ask({"type": "lifespan"})[1]


def test_the_page_that_lets_a_browser_in_is_there_where_there_is_an_auth_string() -> None:
    page = {"type": "http", "path": LOGIN_PATH, "headers": headers("127.0.0.1:4200")}

    (told, asked), (_, passed_on) = ask(page), ask(page, with_login=False)

    assert (False, True, b"no-store") == (asked, passed_on, told.headers[b"cache-control"])
    assert BROWSERS_KEY.encode() in told[1]["body"]


def test_prefects_pages_look_for_the_auth_string_where_this_one_puts_it() -> None:
    server = Path(prefect.__file__).parent / "server"
    for pages in ("ui", "ui-v2"):
        scripts = [file.read_text(errors="replace") for file in (server / pages / "assets").glob("*.js")]
        keepers = [script for script in scripts if f"localStorage.getItem(`{BROWSERS_KEY}`)" in script]
        keepers += [s for s in scripts if f"=`{BROWSERS_KEY}`" in s and "localStorage.getItem(" in s]
        assert any("Authorization" in script and "`Basic $" in script for script in keepers), pages


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run the page's script")
@pytest.mark.parametrize("auth", ["pulseq:abc-DEF_123", "admin:pass word ü/?#"])
def test_the_pages_script_hands_the_auth_string_to_prefects_pages(auth: str) -> None:
    body = ask({"type": "http", "path": LOGIN_PATH, "headers": headers("localhost:4200")})[0][1]["body"].decode()
    script = re.search(r"<script>(.*?)</script>", body, re.DOTALL)
    assert script
    told = base64.b64encode(auth.encode()).decode()
    browser = f"""
    const kept = {{}}, went = [];
    const localStorage = {{setItem: (name, value) => {{ kept[name] = value; }}}};
    const location = {{hash: "#" + {json.dumps(told)}, replace: (to) => went.push(to)}};
    {script[1]}
    console.log(JSON.stringify([kept, went]));
    """

    ended = subprocess.run(["node", "-e", browser], capture_output=True, text=True, check=True)

    assert [{BROWSERS_KEY: told}, ["/"]] == json.loads(ended.stdout)
