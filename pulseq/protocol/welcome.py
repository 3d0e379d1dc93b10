"""What a scheduler of ours tells nodes that come by themselves, in the metadata that all of its cluster share."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from pulseq.errors import InfrastructureError

#: Where it is in the scheduler's metadata.
WELCOME_KEY = "pulseq-welcome"
#: What a node's process ends with when it has heard nothing of its scheduler for too long.
SILENT_CODE = 75


class NotWelcomeError(InfrastructureError):
    """A node cannot be of a fleet, and trying again is of no use; the text says what to do."""


class NodeWords(Struct, frozen=True, omit_defaults=True):
    """What the fleet's file says of the bodies of a node: their variables, and the interpreter of those that name none.

    A node that comes by itself cannot have read it.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None


class Welcome(Struct, frozen=True, omit_defaults=True):
    """What the nodes of a fleet have to know of it.

    Attributes:
        version, protocol: of the PulseQ that has started the scheduler; empty and None where another has.
        node_timeout_seconds: of silence, after which a node's tests are others'.
        heartbeat_seconds: between two of a node.
        nodes: by their ids.
    """

    version: str = ""
    protocol: int | None = None
    node_timeout_seconds: float = 60.0
    heartbeat_seconds: float = 20.0
    nodes: Mapping[str, NodeWords] = field(default_factory=dict)


def say_taken(node_id: str, host: object, address: str, here: str = "") -> str:
    """Why a node, at the address `here` if it has one, cannot have an id that another one has, and what to do."""
    this = f"this one, at {here!r}," if here else "this one"
    return f"there is a node {node_id!r} already, on {host} at {address!r}: give {this} another --id, or end that one"
