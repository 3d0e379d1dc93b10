"""What a scheduler of ours tells nodes that come by themselves, in the metadata that all of its cluster share."""

from __future__ import annotations

from msgspec import Struct

from pulseq.errors import InfrastructureError

#: Where it is in the scheduler's metadata.
WELCOME_KEY = "pulseq-welcome"
#: What a node's process ends with when it has heard nothing of its scheduler for too long.
SILENT_CODE = 75


class NotWelcomeError(InfrastructureError):
    """A node cannot be of a fleet, and trying again is of no use; the text says what to do."""


class Welcome(Struct, frozen=True, omit_defaults=True):
    """What the nodes of a fleet have to know of it.

    Attributes:
        version, protocol: of the PulseQ that has started the scheduler; empty and None where another has.
        node_timeout_seconds: of silence, after which a node's tests are others'.
        heartbeat_seconds: between two of a node.
    """

    version: str = ""
    protocol: int | None = None
    node_timeout_seconds: float = 60.0
    heartbeat_seconds: float = 20.0
