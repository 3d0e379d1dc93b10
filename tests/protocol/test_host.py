"""Messages over the connection to a host."""

from __future__ import annotations

import pytest

from pulseq.protocol.coding import ProtocolError
from pulseq.protocol.host import (
    Beat,
    FindPort,
    FromHost,
    HostHello,
    NodeEnded,
    NodeReady,
    PortFound,
    StartNode,
    StopNode,
    ToHost,
    from_host,
    to_host,
    to_line,
)


@pytest.mark.parametrize("message", [Beat(10), FindPort("a"), StartNode("a", {"slots": 2}), StopNode("a")])
def test_what_the_owner_says_is_heard(message: ToHost) -> None:
    assert to_host(to_line(message)) == message


@pytest.mark.parametrize(
    "message", [HostHello("1", "2", "3.11", 4), PortFound("a", 1), NodeReady("a"), NodeEnded("a", 1, "why")]
)
def test_what_the_host_says_is_heard(message: FromHost) -> None:
    assert from_host(to_line(message)) == message


@pytest.mark.parametrize("plain", [{}, {"type": "beat"}, {"type": "node_ready", "node_id": "a"}])
def test_what_is_none_of_its_messages_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="no message"):
        to_host(plain)
