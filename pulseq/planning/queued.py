"""What waits to be run and where it may go, as planning sees it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

from pulseq.models import CapabilityValue, Priority


@dataclass(frozen=True, slots=True)
class QueuedTest:
    """A test that waits for a slot.

    Attributes:
        key: (test id, variant).
        sequence: its place in the order of the suite.
        expected_seconds: from history or declared; None when nothing is known.
        pack: the pytest entry that it is of, with which it may share a task run, and its file, whose items wait
            together in collection order; None for a test that is always a task run of its own.
        avoid: nodes that were lost while it ran there; they get it only when no other one is free.
        group: what of the pack it shares fixtures with (a class of the file); its neighbours have the same.
        scope: what has to run on one slot, one after the other: all that wait of it in their pack travel together.
        collected: whether it is of a pytest session, whose items go in order where the fleet has one slot.
        ordered: whether they do so on any number of slots, each of which goes forward alone: a hook has moved them.
    """

    key: tuple[str, str]
    sequence: int
    requirement_key: Hashable
    priority: Priority = Priority.MEDIUM
    expected_seconds: float | None = None
    pack: tuple[object, str] | None = None
    avoid: frozenset[str] = frozenset()
    group: str | None = None
    scope: str | None = None
    collected: bool = False
    ordered: bool = False

    def apart(self, avoid: frozenset[str]) -> QueuedTest:
        """The same test in its place, but by itself, and on none of these nodes if it can be."""
        return replace(self, pack=None, scope=None, avoid=avoid, ordered=False)


@dataclass(frozen=True, slots=True)
class NodeOffer:
    """A node that can take tests: its slots and what it offers.

    Attributes:
        slowness: what tests take there, as a multiple of what they take in the median.
    """

    id: str
    slots: int
    capabilities: Mapping[str, CapabilityValue]
    slowness: float = 1.0
