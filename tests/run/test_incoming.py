"""What nodes say, as a run takes it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.events import RunNote
from pulseq.models import AttemptResult, Status
from pulseq.protocol.coding import ProtocolError, encode
from pulseq.protocol.from_node import AttemptEnd, DispatchDone, NodeMessage, Report, encode_report
from pulseq.run.incoming import Incoming
from pulseq.run.run_clocks import RunClocks
from tests.run.told import Told

NODE = LiveNode("n", "tcp://h:1", "h", 1, {}, "first")
RESULT = AttemptResult("t", 1, "n", Status.PASSED, duration=1.0)


class Site:
    """A run with one node."""

    def __init__(self) -> None:
        self.told = Told()
        self.cluster = Cluster()
        self.cluster.nodes["n"] = NODE
        self.given_up: list[tuple[str, str]] = []
        clocks = RunClocks(self.cluster, self.told.emit)
        self.incoming = Incoming(self.cluster, clocks, self.told.emit, self.give_up)

    def give_up(self, node: LiveNode, why: str) -> None:
        del self.cluster.nodes[node.id]
        self.given_up.append((node.id, why))

    def say(self, *messages: NodeMessage, incarnation: str = "first") -> list[NodeMessage]:
        report = encode_report(Report("n", incarnation, messages))
        return [message for _, message in self.incoming.messages(report)]


def test_what_an_earlier_start_of_a_node_says_is_not_taken() -> None:
    site = Site()
    assert [] == site.say(DispatchDone("1"), incarnation="before")
    assert [DispatchDone("1")] == site.say(DispatchDone("1"))


def test_a_number_that_cannot_be_is_told_once_of_a_node() -> None:
    site = Site()
    bad = AttemptEnd(replace(RESULT, duration=math.nan))
    assert [AttemptEnd(replace(RESULT, duration=0.0))] * 2 == [*site.say(bad), *site.say(bad)]
    assert [
        RunNote(
            "node n has told a number that cannot be (duration nan): "
            "the nearest that can is taken, for this and others; see what is wrong there"
        )
    ] == site.told


def _garbled(**changes: Any) -> bytes:
    plain = msgspec.to_builtins(Report("n", "first", (AttemptEnd(RESULT),)))
    return encode({**plain, **changes})


@pytest.mark.parametrize("changes", [{"messages": [{"type": "sing"}]}, {"protocol": 99}], ids=str)
def test_a_node_that_says_what_nobody_understands_is_given_up_and_the_run_goes_on(changes: dict[str, Any]) -> None:
    site = Site()
    for _ in range(2):
        assert [] == list(site.incoming.messages(_garbled(**changes)))
    [(node_id, why)] = site.given_up
    assert "n" == node_id
    assert "protocol" in why


def test_after_the_message_for_which_a_node_is_given_up_nothing_of_it_is_taken() -> None:
    site = Site()
    taken = []
    for node, message in site.incoming.messages(encode_report(Report("n", "first", (DispatchDone("1"),) * 2))):
        taken.append(message)
        site.give_up(node, "for a test")
    assert [DispatchDone("1")] == taken


def test_what_is_of_nobody_is_an_error_of_ours() -> None:
    with pytest.raises(ProtocolError):
        list(Site().incoming.messages(b"no report"))
