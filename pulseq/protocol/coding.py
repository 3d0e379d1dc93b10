"""Messages as bytes: msgpack, decoded into types; nothing that comes from another machine is unpickled by us."""

from __future__ import annotations

import functools
import json
from typing import Any, TypeVar

import msgspec

from pulseq.errors import InfrastructureError

T = TypeVar("T")

#: Of what driver and node say to each other; one more with each change that the other side would not understand.
PROTOCOL = 1
#: The first byte: how the rest is written.
_MSGPACK, _JSON = b"\x01", b"\x02"


class ProtocolError(InfrastructureError):
    """What came is no message of this protocol."""


def encode(value: Any) -> bytes:
    """A message, or an answer to one, as bytes.

    Raises:
        TypeError: a value in it, as an argument of a `call`, is none that can travel.
    """
    try:
        return _MSGPACK + msgspec.msgpack.encode(value)
    except (UnicodeEncodeError, OverflowError):
        # A path that is no UTF-8, an integer of more than 64 bits: rare, and only this can carry it.
        return _JSON + json.dumps(msgspec.to_builtins(value)).encode()


def decode(data: bytes | memoryview, kind: type[T]) -> T:
    """The value that `encode` made these bytes of.

    Raises:
        ProtocolError: they are no such value, or say another protocol.
    """
    view = memoryview(data)
    how, rest = view[:1], view[1:]
    try:
        kind_of: Any = kind  # for the cache: types are hashable
        value: T = _decoder(kind_of).decode(rest) if how == _MSGPACK else msgspec.convert(json.loads(bytes(rest)), kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ProtocolError(f"what came is no message of protocol {PROTOCOL}: {error}") from error
    said = getattr(value, "protocol", PROTOCOL)
    if said != PROTOCOL:
        raise ProtocolError(say_protocol(said))
    return value


def say_protocol(said: object) -> str:
    """What there is to say of somebody with another protocol; None is that of a release without a number."""
    return (
        f"the other side speaks protocol {said or 'without a number'}, this one {PROTOCOL}: "
        "have the same release of PulseQ on driver and nodes"
    )


@functools.cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)
