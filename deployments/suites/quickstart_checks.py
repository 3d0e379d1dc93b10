"""The functions that the quickstart suite calls: one that returns passes, an assertion fails."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from quickstart_shop import PRICES, Basket

import pulseq


def price_is_right(quantity: int, currency: str) -> None:
    """Arguments come from the suite's `args` and `kwargs`."""
    basket = Basket()
    basket.add("bread", quantity)
    assert basket.total(currency) == quantity * 350


async def stock_is_counted() -> None:
    """A coroutine is awaited; a metric is a name and a number."""
    await asyncio.sleep(0.3)
    pulseq.metric("articles", len(PRICES))


def payment_settles() -> None:
    """Fails on its first attempt, as a gateway does that has just been woken up."""
    time.sleep(0.2)
    attempt = int(os.environ.get("PULSEQ_ATTEMPT", "1"))
    assert attempt > 1, "the gateway did not answer (it will the next time)"


def shop_is_served(port: int, patience: float) -> None:
    """Serve the shop's health page until somebody has asked for it, or until patience (seconds) ends."""
    deadline = time.monotonic() + patience
    with _open_shop(port, deadline) as shop:
        shop.timeout = 0.2
        while not shop.visits and time.monotonic() < deadline:
            shop.handle_request()
        pulseq.metric("visits", shop.visits)


class Shop(HTTPServer):
    """Counts who came."""

    visits = 0


class Counter(BaseHTTPRequestHandler):
    """Answers at the shop's counter."""

    server: Shop

    def do_GET(self) -> None:
        known = self.path == "/health"
        answer = b"open\n" if known else b"no such page\n"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.server.visits += known


def _open_shop(port: int, deadline: float) -> Shop:
    """The shop on its port, as soon as whoever has the port now (another run?) has left it."""
    while True:
        try:
            return Shop(("127.0.0.1", port), Counter)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
