"""Which tests nodes of a fleet may get, before any is there to say itself what it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pulseq.capabilities import match
from pulseq.fleet import Fleet, NodeSpec
from pulseq.models import CapabilityValue, TestCase
from pulseq.node.machine import read_machine


def find_offers(nodes: Iterable[NodeSpec]) -> dict[str, dict[str, CapabilityValue]]:
    """What each node offers, by its id, as far as is known here."""
    # What another machine is it says itself: until then it is taken to be like this one.
    machine = read_machine()
    return {node.id: {**machine, **node.capabilities} for node in nodes}


def fits_any(test: TestCase, offers: Mapping[str, Mapping[str, CapabilityValue]]) -> bool:
    """Whether one of these nodes has what a test requires."""
    return any(match(test.requirements, capabilities).fits for capabilities in offers.values())


def may_be_sent(fleet: Fleet, *, ship: bool | None) -> Callable[[TestCase], bool]:
    """Tells of a test whether it may get to a node that the project is sent to; `ship` as a run's options have it."""
    if ship:
        return lambda _: True
    offers = find_offers(node for node in fleet.nodes if not node.is_local)
    return lambda test: fits_any(test, offers)
