"""What a driver asks of nodes, there and back."""

from __future__ import annotations

from typing import get_args

import pytest

from pulseq.protocol.coding import decode, encode
from pulseq.protocol.project_files import Manifest
from pulseq.protocol.to_node import (
    BeginRun,
    BodyVariables,
    CancelRun,
    Collect,
    DriverMessage,
    DropArtifacts,
    FetchArtifact,
    FinishSessions,
    GiveBackTests,
    LeaveRun,
    MakeWorkspace,
    NoNext,
    OfferProject,
    Order,
    PutBlobs,
    RunTask,
)
from pulseq.protocol.work import Dispatch
from pulseq.pytest_sessions import PytestSpec

SPEC = PytestSpec("r", "unit", ("tests",), ("-x",), False, "/", None, (("A", "b"),))
MESSAGES: tuple[DriverMessage, ...] = (
    BeginRun(),
    BeginRun(bodies=BodyVariables({"A": "b", "TOKEN": "\udcff"}, ("\udcff",), like_a_login=True)),
    Collect(SPEC),
    Dispatch("1", "r", (), ()),
    GiveBackTests("1", frozenset({("a", ""), ("b", "browser=chrome")})),
    NoNext("1"),
    NoNext("1", "2"),
    FinishSessions(),
    FetchArtifact("f00d", 10, 20),
    DropArtifacts(frozenset({"f00d", "beef"})),
    CancelRun(),
    LeaveRun(),
    RunTask(b"\x00", b"\xff"),
    OfferProject(Manifest("/p", ()), 1),
    PutBlobs((), memoryview(b"")),
    MakeWorkspace(),
)


def test_each_kind_of_message_is_tried() -> None:
    assert set(get_args(DriverMessage)) == {type(message) for message in MESSAGES}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_heard_as_it_was_said(message: DriverMessage) -> None:
    order = Order("r", message)

    assert order == decode(encode(order), Order)


def test_no_log_has_what_bodies_have() -> None:
    assert "hunter2" not in repr(Order("r", BeginRun(bodies=BodyVariables({"TOKEN": "hunter2"}, ("hunter2",)))))
