"""What nodes tell a driver, there and back."""

from __future__ import annotations

from typing import Any, get_args
from uuid import uuid4

import pytest
from msgspec.structs import replace

from pulseq.artifacts import LeftFile
from pulseq.models import AttemptResult, PytestWarning, Reason, Status
from pulseq.protocol.coding import PROTOCOL, ProtocolError
from pulseq.protocol.from_node import (
    AttemptEnd,
    AttemptStart,
    CasesFound,
    DispatchDone,
    MachineLacks,
    NextAsked,
    NodeFailed,
    NodeMessage,
    PrepareOutput,
    Report,
    SessionEnd,
    SessionResult,
    TaskRunState,
    TestsGivenBack,
    decode_report,
    encode_report,
)

WARNING = PytestWarning("UserWarning", "old", "a.py:3")
RESULT = AttemptResult(
    "a", 1, "n", Status.FAILED, "v", Reason.ASSERTION, error="no \x00", metrics={"x": 1.5}, pytest_warnings=(WARNING,)
)
MESSAGES: tuple[NodeMessage, ...] = (
    AttemptStart("a", "v", 1, "task"),
    AttemptEnd(RESULT),
    AttemptEnd(RESULT, (LeftFile("deep/a.png", 3, "f0" * 32, "image/png"),)),
    CasesFound("a", "v", (RESULT,), "none", (RESULT,), ("a::x",), {"a::x": "x"}),
    DispatchDone("1", "it broke"),
    MachineLacks("space"),
    NextAsked("1", frozenset({"1", "2"})),
    NodeFailed("giving back dispatch 1 has failed"),
    PrepareOutput("Collecting pytest"),
    SessionEnd("unit", SessionResult(1, "bad", "a table", (WARNING,), (("suite", "x"),))),
    TaskRunState(uuid4(), "a @ n", uuid4(), "FAILED", "TimedOut", "late", 5.0, 1, ("RUNNING", "Running"), 4.0, 5.0),
    TestsGivenBack("1", (("a", "v"),)),
)


def test_each_kind_of_message_is_tried() -> None:
    assert set(get_args(NodeMessage)) == {type(message) for message in MESSAGES}


def test_messages_come_home_as_they_were_said_and_in_their_order() -> None:
    report = Report("n", "life-1", MESSAGES)

    assert report == decode_report(encode_report(report))


def test_a_report_of_another_protocol_is_refused() -> None:
    with pytest.raises(ProtocolError, match="have the same release of PulseQ on driver and nodes"):
        decode_report(encode_report(Report("n", "", (), PROTOCOL + 1)))


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "../../victim"},
        {"sha256": "/etc/passwd"},
        {"sha256": "F0" * 32},
        {"sha256": "f0" * 32 + "\n"},
        {"bytes": -1},
        {"bytes": 2**63},
        {"name": ""},
        {"name": "a" * 1_001},
        {"media_type": "\x1b[2J"},
    ],
)
def test_a_file_of_which_no_node_of_ours_would_tell_so_is_refused(change: dict[str, Any]) -> None:
    file = replace(LeftFile("a.png", 3, "f0" * 32, "image/png"), **change)

    with pytest.raises(ProtocolError, match="artifacts"):
        decode_report(encode_report(Report("n", "life-1", (AttemptEnd(RESULT, (file,)),))))
