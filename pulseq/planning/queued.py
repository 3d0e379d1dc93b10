"""What waits to be run and where it may go, as planning sees it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from pulseq.models import CapabilityValue, Priority


@dataclass(frozen=True, slots=True)
class QueuedTest:
    """A test that waits for a slot.

    Attributes:
        key: (test id, variant).
        sequence: its place in the order of the suite.
        expected_seconds: from history or declared; None when nothing is known.
        pack: what it may share a task run with, in collection order (a pytest session's file);
            None for a test that is always a task run of its own.
        avoid: nodes that were lost while it ran there; they get it only when no other fits.
    """

    key: tuple[str, str]
    sequence: int
    requirement_key: Hashable
    priority: Priority = Priority.MEDIUM
    expected_seconds: float | None = None
    pack: tuple[object, str] | None = None
    avoid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """A node as a strategy sees it when it has to choose.

    Attributes:
        used: slots taken.
        given: tests it was given so far in this run.
        wanted_by_scarce: tests that wait and have fewer nodes to go to than the one at hand.
        order: its place among the nodes, for ties.
    """

    id: str
    slots: int
    used: int
    given: int
    wanted_by_scarce: int
    order: int

    @property
    def load(self) -> float:
        """Share of its slots that is taken, 0 to 1."""
        return self.used / self.slots


@dataclass(frozen=True, slots=True)
class NodeOffer:
    """A node that can take tests: its slots and what it offers."""

    id: str
    slots: int
    capabilities: Mapping[str, CapabilityValue]
