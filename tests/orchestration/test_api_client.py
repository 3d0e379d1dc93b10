"""Asking a Prefect API whether it has recorded a run."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_URL,
    PREFECT_CLIENT_CUSTOM_HEADERS,
    temporary_settings,
)

from pulseq.errors import InfrastructureError
from pulseq.orchestration.api_client import Recorded, access_headers, wait_until_recorded


class _Api(HTTPServer):
    """Answers each question for a count with the next of `counts`; the last one again and again."""

    counts: list[int]
    asked_with: list[str | None]


class _Answer(BaseHTTPRequestHandler):
    server: _Api

    def do_POST(self) -> None:
        self.server.asked_with.append(self.headers["Authorization"])
        self.rfile.read(int(self.headers["Content-Length"]))
        counts = self.server.counts
        body = json.dumps(counts.pop(0) if len(counts) > 1 else counts[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[_Api]:
    """An API whose task runs get recorded as the test says."""
    with _Api(("127.0.0.1", 0), _Answer) as server:
        server.asked_with = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _missing(port: int, task_runs: int, patience_seconds: float) -> int:
    url = f"http://127.0.0.1:{port}"
    return asyncio.run(wait_until_recorded(url, "flow", task_runs, patience_seconds=patience_seconds)).missing


def test_it_waits_until_all_are_recorded(api: _Api) -> None:
    api.counts = [0, 2, 5]

    assert _missing(api.server_port, 5, 60) == 0
    assert api.counts == [5]


def test_patience_ends_with_what_is_missing(api: _Api) -> None:
    api.counts = [2]

    assert _missing(api.server_port, 5, 0.05) == 3


def test_it_tells_a_server_that_stalls_from_one_that_is_slow(api: _Api) -> None:
    api.counts = [2]
    url = f"http://127.0.0.1:{api.server_port}"

    stalls = asyncio.run(wait_until_recorded(url, "flow", 5, patience_seconds=60, stall_seconds=0.05))
    slow = asyncio.run(wait_until_recorded(url, "flow", 5, patience_seconds=0.05, stall_seconds=60))

    assert (stalls, slow) == (Recorded(3, stalled=True), Recorded(3))


def test_who_wants_to_go_on_waits_no_longer(api: _Api) -> None:
    api.counts = [0]

    async def ask() -> Recorded:
        stopped = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, stopped.set)
        url = f"http://127.0.0.1:{api.server_port}"
        return await wait_until_recorded(url, "flow", 5, patience_seconds=3600, stopped=stopped)

    assert asyncio.run(ask()) == Recorded(5)


def test_it_asks_as_prefects_client_would(api: _Api) -> None:
    api.counts = [5]

    with temporary_settings({PREFECT_API_AUTH_STRING: "pulseq:abc"}):
        assert _missing(api.server_port, 5, 60) == 0

    assert ["Basic cHVsc2VxOmFiYw=="] == api.asked_with


def test_nothing_to_record_asks_nobody() -> None:
    assert _missing(9, 0, 60) == 0


def test_an_api_that_is_gone_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(InfrastructureError, match="does not answer any more"):
        _missing(port, 5, 3600)


def test_requests_of_our_own_say_what_prefects_client_says() -> None:
    settings: dict[Any, Any] = {PREFECT_API_AUTH_STRING: "pulseq:ü", PREFECT_CLIENT_CUSTOM_HEADERS: {"X-Site": "lab"}}
    here = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api", PREFECT_API_KEY: "mine"})
    with here, temporary_settings(settings):
        ours = access_headers()
        theirs = get_client()._client.headers

    assert {"Authorization": "Basic cHVsc2VxOsO8", "X-Site": "lab"} == ours
    assert ours == {name: theirs[name] for name in ours}
    with temporary_settings({PREFECT_API_KEY: "mine", PREFECT_API_AUTH_STRING: None}):
        assert {"Authorization": "Bearer mine"} == access_headers()
    with temporary_settings({PREFECT_API_KEY: None, PREFECT_API_AUTH_STRING: None}):
        assert {} == access_headers()
