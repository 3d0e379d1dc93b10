"""The node agent of this process, to be found by what Dask calls here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulseq.node.node_agent import NodeAgent

_agent: NodeAgent | None = None


def register_agent(agent: NodeAgent) -> None:
    """From here on `current_agent` finds this one."""
    global _agent
    _agent = agent


def current_agent() -> NodeAgent:
    """The agent of this process.

    Raises:
        RuntimeError: this Dask worker is not a PulseQ node.
    """
    if _agent is None:
        raise RuntimeError("this Dask worker is not a PulseQ node")
    return _agent
