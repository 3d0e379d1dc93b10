"""The first look at an address; what comes of a real scheduler stands in `cluster/test_scheduler_address`."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pulseq.security.greeting import hear_greeting, split_address


@pytest.mark.parametrize(
    ("address", "parts"),
    [("tls://lab:8786", ("lab", 8786)), ("10.0.0.5:1", ("10.0.0.5", 1)), ("tls://[::1]:8786", ("::1", 8786))],
)
def test_an_address_is_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert parts == split_address(address)


@pytest.mark.parametrize("address", ["", "lab", "tls://lab", ":8786", "lab:0", "lab:65536", "lab:x", "::1:1"])
def test_what_is_none_is_told(address: str) -> None:
    with pytest.raises(ValueError, match=address or None):
        split_address(address)


def test_where_nobody_listens_it_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(ConnectionRefusedError):
        asyncio.run(hear_greeting(f"tcp://127.0.0.1:{port}", None, 30))


def test_what_says_nothing_is_waited_for_as_long_as_was_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TimeoutError):
        asyncio.run(hear_greeting(f"tcp://127.0.0.1:{server.getsockname()[1]}", None, 0.05))
