"""Noticing that a Prefect API was away; a plain HTTP server stands for it here."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

from pulseq.orchestration.api_watch import ApiWatch


class _Well(BaseHTTPRequestHandler):
    asked: list[str]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(404)  # another kind of API may have no such page; it answers all the same
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _watch(url: str, until: Callable[[ApiWatch], bool]) -> ApiWatch:
    watch = ApiWatch(url, poll_seconds=0.01, gone_seconds=0.05)

    async def look() -> None:
        async with asyncio.timeout(60), watch.watching():
            while not until(watch):  # noqa: ASYNC110 - what changes has no event
                await asyncio.sleep(0.005)

    asyncio.run(look())
    return watch


def test_an_api_that_answers_is_no_trouble() -> None:
    asked: list[str] = []
    handler = type("Handler", (_Well,), {"asked": asked})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        watch = _watch(f"http://127.0.0.1:{server.server_port}/api/", lambda _: len(asked) > 2)
        server.shutdown()
        thread.join()

    assert (False, {"/api/health"}) == (watch.troubled, set(asked))


def test_an_api_that_was_gone_between_two_questions_is_noticed() -> None:
    class Leaving(_Well):
        asked: ClassVar[list[str]] = []

        def handle(self) -> None:
            # After one answer, as a server that dies and is back at once; it had not said that it would.
            self.handle_one_request()

    with HTTPServer(("127.0.0.1", 0), Leaving) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        watch = _watch(f"http://127.0.0.1:{server.server_port}/api", lambda watch: watch.troubled)
        server.shutdown()
        thread.join()

    assert watch.troubled


def _watch_served(handler: type[BaseHTTPRequestHandler], enough: Callable[[ApiWatch], bool]) -> ApiWatch:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        watch = _watch(f"http://127.0.0.1:{server.server_port}/api", enough)
        server.shutdown()
        thread.join()
    return watch


def test_an_api_that_says_that_it_closes_is_no_trouble() -> None:
    class Closing(_Well):
        asked: ClassVar[list[str]] = []

        def end_headers(self) -> None:
            self.send_header("Connection", "close")
            super().end_headers()

    watch = _watch_served(Closing, lambda _: len(Closing.asked) > 2)

    assert not watch.troubled


def test_an_api_that_is_not_there_is_noticed() -> None:
    assert _watch("http://127.0.0.1:9/api", lambda watch: watch.troubled).troubled


def test_an_api_that_takes_no_connection_is_gone_until_it_does() -> None:
    async def look() -> list[tuple[bool, bool]]:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
        watch = ApiWatch(f"http://127.0.0.1:{port}/api", poll_seconds=0.01, gone_seconds=0.05)
        async with asyncio.timeout(60), watch.watching():
            await watch.gone.wait()
            seen = [(watch.there.is_set(), watch.gone.is_set())]
            async with await asyncio.start_server(_answer, "127.0.0.1", port):
                await watch.there.wait()
                seen.append((watch.there.is_set(), watch.gone.is_set()))
        return seen

    assert [(False, True), (True, False)] == asyncio.run(look())


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


def test_an_api_that_takes_connections_and_says_nothing_is_not_gone() -> None:
    class Silent(_Well):
        asked: ClassVar[list[str]] = []

        def handle(self) -> None:
            self.asked.append("")

    watch = _watch_served(Silent, lambda _: len(Silent.asked) > 20)

    assert (True, True, False) == (watch.troubled, watch.there.is_set(), watch.gone.is_set())
