"""Messages there and back, and what is none."""

from __future__ import annotations

import pytest
from msgspec import Struct

from pulseq.models import CallBody, CommandBody, TestCase
from pulseq.protocol.coding import PROTOCOL, ProtocolError, decode, encode


class _Said(Struct, frozen=True):
    text: str
    protocol: int = PROTOCOL


@pytest.mark.parametrize(
    "test",
    [
        TestCase("plain", CommandBody(("true",)), env={"MODE": "fast"}),
        TestCase("path", CommandBody(("cat", "/tmp/\udcff"))),
        TestCase("number", CallBody("shop:check", (2**70, [1, {"a": None}]), {"rate": 0.5})),
    ],
    ids=lambda test: test.id,
)
def test_what_was_said_is_heard(test: TestCase) -> None:
    assert test == decode(encode(test), TestCase)


@pytest.mark.parametrize("value", [object(), {1, object()}])
def test_what_cannot_travel_is_refused_before_it_does(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x02",
        b"\x02{",
        b"\x02[]",
        b"\x03x",
        b"\x01\x91\xff",
        encode({"text": 3}),
        encode(_Said("a"))[:-1],
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=f"what came is no message of protocol {PROTOCOL}"):
        decode(data, _Said)


def test_another_protocol_is_told_with_both_numbers_and_what_to_do() -> None:
    data = encode(_Said("a", PROTOCOL + 1))

    with pytest.raises(ProtocolError, match=rf"protocol {PROTOCOL + 1}, this one {PROTOCOL}: have the same release"):
        decode(data, _Said)


def test_no_object_is_made_of_what_says_it_is_a_pickle() -> None:
    import pickle

    with pytest.raises(ProtocolError):
        decode(pickle.dumps(_Said), _Said)
