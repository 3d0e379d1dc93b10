"""What is said over the connection to a host on which nodes are started: by their owner, and by the program there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from pulseq.protocol.coding import PROTOCOL, ProtocolError

#: The program's first bytes: before them a login shell may have said anything.
MARK = b"\0pulseq-host\0"


class HostHello(Struct, frozen=True, tag="hello"):
    """The program is there.

    Attributes:
        pulseq, distributed, python: versions there.
        processors: how many of them it may use.
    """

    pulseq: str
    distributed: str
    python: str
    processors: int
    protocol: int = PROTOCOL


class PortFound(Struct, frozen=True, tag="port_found"):
    """A port of the host's loopback that was free just now, for this node."""

    node_id: str
    port: int


class NodeReady(Struct, frozen=True, tag="node_ready"):
    """A node has joined its scheduler."""

    node_id: str


class NodeEnded(Struct, frozen=True, tag="node_ended"):
    """A node's process has ended, or did not start; `words` are its last, `log` the end of its log."""

    node_id: str
    code: int
    words: str
    log: str = ""


class Beat(Struct, frozen=True, tag="beat"):
    """The owner is there; one that says nothing for so many seconds is not, and all ends."""

    silence_seconds: float


class FindPort(Struct, frozen=True, tag="find_port"):
    """A port is wanted for this node; the answer is a `PortFound`."""

    node_id: str


class StartNode(Struct, frozen=True, tag="start_node"):
    """Start this node; the answer is a `NodeReady` or a `NodeEnded`."""

    node_id: str
    configuration: Mapping[str, Any]


class StopNode(Struct, frozen=True, tag="stop_node"):
    """End this node; the answer is a `NodeEnded`."""

    node_id: str


FromHost: TypeAlias = HostHello | PortFound | NodeReady | NodeEnded
ToHost: TypeAlias = Beat | FindPort | StartNode | StopNode


def to_line(message: FromHost | ToHost) -> dict[str, Any]:
    """A message as a line carries it."""
    plain: dict[str, Any] = msgspec.to_builtins(message)
    return plain


def from_host(plain: Mapping[str, Any]) -> FromHost:
    """A message of the program's.

    Raises:
        ProtocolError: it is none.
    """
    read: FromHost = _read(plain, FromHost)
    return read


def to_host(plain: Mapping[str, Any]) -> ToHost:
    """A message of the owner's.

    Raises:
        ProtocolError: it is none.
    """
    read: ToHost = _read(plain, ToHost)
    return read


def _read(plain: Mapping[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"what came over the connection to a host is no message: {error}") from error
