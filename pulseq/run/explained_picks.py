"""Why what goes where, for the log at DEBUG: a line for each decision."""

from __future__ import annotations

from collections.abc import Mapping

from pulseq.capabilities import describe_requirements, match
from pulseq.fleet import Strategy
from pulseq.models import CapabilityValue
from pulseq.planning.queued import NodeOffer
from pulseq.planning.strategies import NodeLoad

Requirements = Mapping[str, CapabilityValue]


def explain_pick(
    names: list[str],
    requirements: Requirements,
    chosen: str,
    offers: Mapping[str, NodeOffer],
    loads: Mapping[str, NodeLoad],
    strategy: Strategy,
) -> str:
    """Why tests go to this node, and why to none of the others; `loads` are those after the decision."""
    load = loads[chosen]
    wanted = describe_requirements(requirements) or "nothing in particular"
    why = f"{_list(names)} to {chosen}: it has {wanted} and a free slot, now {load.used} of {load.slots} taken"
    others = [explain_refusal(requirements, offer, loads[node]) for node, offer in offers.items() if node != chosen]
    return "; ".join([f"{why} ({strategy})", *others])


def explain_prefetch(names: list[str], chosen: str) -> str:
    """What a slot of this node has got that is not free yet."""
    return f"{_list(names)} to {chosen}: to follow on a slot there, which asked for it"


def explain_refusal(requirements: Requirements, offer: NodeOffer, load: NodeLoad) -> str:
    """Why a test does not go to this node."""
    misses = match(requirements, offer.capabilities).misses
    if misses:
        return f"not {offer.id}: {' and '.join(map(str, misses))}"
    if load.used >= load.slots:
        return f"not {offer.id}: no free slot of {load.slots}"
    return f"not {offer.id}: {load.used} of {load.slots} taken, {load.given} given so far"


def explain_waiting(count: int, requirements: Requirements, offers: Mapping[str, NodeOffer]) -> str:
    """What tests of one class of requirements wait for."""
    wanted = describe_requirements(requirements)
    fitting = [node for node, offer in offers.items() if match(requirements, offer.capabilities).fits]
    place = f"a free slot of {_list(fitting)}" if fitting else "a node that fits"
    if count == 1:
        return f"1 test{f' that wants {wanted}' if wanted else ''} waits for {place}"
    return f"{count} tests{f' that want {wanted}' if wanted else ''} wait for {place}"


def _list(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
