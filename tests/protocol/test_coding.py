"""Messages as bytes, there and back."""

from __future__ import annotations

import contextlib
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pulseq.models import CallBody, CommandBody, HttpBody, Priority, PytestBody, PytestItemBody, SimulateBody, TestCase
from pulseq.protocol.coding import PROTOCOL, ProtocolError, decode, encode
from pulseq.protocol.to_node import BeginRun, Order
from pulseq.protocol.work import Dispatch, TestWork

BODIES = (
    CommandBody(("echo", "a"), junit="*.xml"),
    CallBody("a:b", (1, None, "x"), {"y": 2.5}),
    PytestBody(("tests",), ("-x",)),
    PytestItemBody("unit", "t.py::test_a", "t.py"),
    HttpBody("http://h/", headers={"A": "b"}),
    SimulateBody(1.5),
)


def _there_and_back(test: TestCase) -> TestCase:
    order = decode(encode(Order("r", Dispatch("1", "r", (TestWork("n", test, 2, 1),), ()))), Order)
    assert isinstance(order.message, Dispatch)
    (work,) = order.message.work
    assert isinstance(work, TestWork)
    return work.test


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_test_of_each_kind_arrives_as_it_was(body: Any) -> None:
    test = TestCase(
        "t",
        body,
        variant="v",
        requirements={"os": ("linux", "macos"), "gpu": True, "cores": 4, "ratio": 0.5},
        priority=Priority.HIGH,
        metrics=("fps",),
        env={"A": "b"},
        timeout_seconds=1.5,
    )

    assert test == _there_and_back(test)


@given(st.text(st.characters()), st.integers(), st.floats(allow_nan=False))
def test_whatever_text_and_numbers_there_are_arrive(text: str, number: int, share: float) -> None:
    """Also half characters, as in a path that is no UTF-8, and numbers of more than 64 bits."""
    test = TestCase("t", CallBody("a:b", (text, number, share)), cwd=f"/{text}", env={"T": text})

    assert test == _there_and_back(test)


def test_an_id_that_was_cut_is_not_cut_again() -> None:
    test = TestCase("x" * 10_000, SimulateBody())

    assert test == _there_and_back(test)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_told_as_such(data: bytes) -> None:
    assume(data[:1] not in (b"\x01", b"\x02"))

    with pytest.raises(ProtocolError, match=f"no message of protocol {PROTOCOL}: "):
        decode(data, Order)


@given(st.sampled_from([b"\x01", b"\x02"]), st.binary(max_size=200))
def test_bytes_that_begin_as_one_are_one_or_told_as_none(how: bytes, data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode(how + data, Order), Order)


def test_another_protocol_is_refused_with_both_numbers_and_what_to_do() -> None:
    later = encode(msgspec.structs.replace(Order("r", BeginRun()), protocol=PROTOCOL + 1))

    expected = (
        f"the other side speaks protocol {PROTOCOL + 1}, this one {PROTOCOL}: "
        "have the same release of PulseQ on driver and nodes"
    )
    with pytest.raises(ProtocolError) as refusal:
        decode(later, Order)
    assert expected == str(refusal.value)


@pytest.mark.parametrize(
    "value", [{1}, date(2026, 1, 1), b"x", (1, 2), Decimal(1), object(), {1: 2}], ids=lambda value: type(value).__name__
)
def test_arguments_that_would_arrive_as_something_else_are_refused(value: object) -> None:
    """Beside any others: a huge integer has all of a message travel by another way."""
    for argument in (value, [value], {"deep": [value]}):
        with pytest.raises(TypeError, match=f"found {type(value).__name__} .* in the arguments of a call"):
            CallBody("a:b", (2**70, argument))
        with pytest.raises(TypeError):
            CallBody("a:b", kwargs={"x": argument})
