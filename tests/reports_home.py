"""What nodes say, for tests in which there are none: as it comes to a dispatcher by way of the run's topic."""

from __future__ import annotations

from typing import Any

from pulseq.models import AttemptResult
from pulseq.protocol.coding import encode
from pulseq.protocol.from_node import AttemptEnd, NodeMessage, Report


def said_by(
    node_id: str, *messages: NodeMessage | AttemptResult, incarnation: str = ""
) -> tuple[float, dict[str, Any]]:
    """The event of these messages of a node; a result stands for the message that tells it."""
    told = (AttemptEnd(message) if isinstance(message, AttemptResult) else message for message in messages)
    return 0.0, {"report": encode(Report(node_id, incarnation, tuple(told)))}
