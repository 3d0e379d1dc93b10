"""What nodes say, as a run takes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pulseq.cluster.cluster import Cluster, LiveNode
from pulseq.events import RunNote
from pulseq.models import AttemptResult, Status
from pulseq.protocol.coding import ProtocolError, decode, encode
from pulseq.protocol.from_node import (
    AttemptEnd,
    AttemptStart,
    CasesFound,
    DispatchDone,
    NodeMessage,
    Report,
    SessionEnd,
    TaskRunState,
)
from pulseq.pytest_sessions import SessionResult
from pulseq.run.incoming import Incoming, plausible
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
        report = encode(Report("n", incarnation, messages))
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
    for node, message in site.incoming.messages(encode(Report("n", "first", (DispatchDone("1"),) * 2))):
        taken.append(message)
        site.give_up(node, "for a test")
    assert [DispatchDone("1")] == taken


def test_what_is_of_nobody_is_an_error_of_ours() -> None:
    with pytest.raises(ProtocolError):
        list(Site().incoming.messages(b"no report"))


NOW = 2_000_000_000.0
USUAL = AttemptResult("t", 1, "n", Status.PASSED, started_at=NOW - 5, duration=5.0, exit_code=0, metrics={"m": 1.0})
STATE = TaskRunState(UUID(int=1), "t", UUID(int=2), "RUNNING", "Running", "", NOW, 1, started_at=NOW)
FINE: tuple[NodeMessage, ...] = (
    AttemptStart("t", "", 1, None),
    AttemptEnd(USUAL),
    AttemptEnd(AttemptResult("t", 1, "n", Status.SKIPPED)),
    AttemptEnd(replace(USUAL, started_at=NOW - 90 * 86_400, duration=90 * 86_400)),  # it ran for a quarter
    CasesFound("t", "", (USUAL, replace(USUAL, started_at=0.5))),
    SessionEnd("e", SessionResult(5)),
    DispatchDone("1"),
    STATE,
)


@pytest.mark.parametrize("message", FINE, ids=lambda message: type(message).__name__)
def test_what_can_be_is_itself(message: NodeMessage) -> None:
    assert (message, None) == plausible(message, NOW)
    assert plausible(message, NOW)[0] is message


@dataclass(frozen=True)
class Case:
    """What cannot be, the number that is told of it, and what is taken."""

    changes: dict[str, Any]
    told: str
    taken: dict[str, Any]


@pytest.mark.parametrize(
    "case",
    [
        Case({"duration": math.nan}, "duration nan", {"duration": 0.0}),
        Case({"duration": -3.0}, "duration -3.0", {"duration": 0.0}),
        Case({"duration": math.inf, "started_at": 0.0}, "duration inf", {"duration": 1e9}),
        Case({"queue_seconds": -math.inf}, "queue_seconds -inf", {"queue_seconds": 0.0}),
        Case({"started_at": math.nan}, "started_at nan", {"started_at": NOW - 5}),
        Case({"started_at": 12.0}, "started_at 12.0", {"started_at": NOW - 5}),
        Case({"started_at": NOW * 1000}, "started_at 2000000000000.0", {"started_at": NOW - 5}),
        Case({"exit_code": 2**63}, "exit_code 9223372036854775808", {"exit_code": 2**31 - 1}),
        Case({"attempt": 0}, "attempt 0", {"attempt": 1}),
        Case({"output_bytes": -1}, "output_bytes -1", {"output_bytes": 0}),
        Case({"subtests": {"passed": -1}}, "subtests 'passed' -1", {"subtests": {"passed": 0}}),
        Case({"metrics": {"m": math.inf}}, "metric 'm' inf", {}),  # which the result tells as left out
    ],
    ids=lambda case: case.told,
)
def test_of_a_result_the_nearest_that_can_be_is_taken(case: Case) -> None:
    sent = replace(USUAL, **case.changes)
    assert (AttemptEnd(replace(sent, **case.taken)), case.told) == plausible(AttemptEnd(sent), NOW)


def test_of_cases_and_of_the_rest_too() -> None:
    bad = replace(USUAL, duration=math.nan)
    cases, told = plausible(CasesFound("t", "", (USUAL, bad), bad_files=(bad,)), NOW)
    assert (CasesFound("t", "", (USUAL, zero := replace(bad, duration=0.0)), bad_files=(zero,)), "duration nan") == (
        cases,
        told,
    )
    assert AttemptStart("t", "", 1, None) == plausible(AttemptStart("t", "", -7, None), NOW)[0]
    assert SessionEnd("e", SessionResult(2**31 - 1)) == plausible(SessionEnd("e", SessionResult(2**40)), NOW)[0]


def test_a_state_of_prefects_has_times_that_its_api_takes() -> None:
    sent = replace(STATE, at=math.inf, started_at=-1e300, scheduled_at=math.nan, run_seconds=math.nan, run_count=-1)
    taken = replace(STATE, at=NOW, started_at=NOW, scheduled_at=NOW, run_seconds=0.0, run_count=0)
    assert (taken, "run_count -1") == plausible(sent, NOW)


_ANY = st.one_of(st.floats(), st.integers(-(2**70), 2**70))


@given(st.dictionaries(st.sampled_from(["duration", "queue_seconds", "started_at"]), _ANY, min_size=1))
def test_whatever_travels_ends_as_numbers_that_can_be(changes: dict[str, Any]) -> None:
    report = decode(encode(Report("n", "i", (AttemptEnd(replace(USUAL, **changes)),))), Report)
    (message, _) = plausible(report.messages[0], NOW)
    assert isinstance(message, AttemptEnd)
    result = message.result
    assert 0 <= result.duration <= 1e9
    assert 0 <= result.queue_seconds <= 1e9
    assert result.started_at == 0 or abs(result.started_at + result.duration - NOW) <= 31 * 86_400
