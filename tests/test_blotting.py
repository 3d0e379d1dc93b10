"""The forms of secrets, and messages and events without them."""

from __future__ import annotations

import base64
import json
import urllib.parse
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.blotting import blot_texts, forms_of, make_blotter
from pulseq.events import AttemptFinished, NodeJoined, RunNote, RunStarted, TestPlanned
from pulseq.execution.attempt_result import measured_metrics
from pulseq.execution.runtime.blotting import Blotter
from pulseq.models import AttemptResult, PytestWarning, Reason, Status
from pulseq.pytest_sessions import CollectedItem, Collection

SECRET = "pass word"


@pytest.mark.parametrize(
    "text",
    [
        "s3cr3t/+&é'\"\\",
        "  padded token \n",
        "-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----\n",
        "bytes\udcff\udcfe",
    ],
)
def test_a_value_is_known_in_each_form_that_programs_give_it(text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    encoded = [
        text,
        repr(text)[1:-1],
        ascii(text)[1:-1],
        repr(f"it's {text}")[6:-1],
        repr(data)[2:-1],
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        urllib.parse.quote(data),
        urllib.parse.quote(data, safe="").lower() if text.islower() else urllib.parse.quote(data, safe=""),
        urllib.parse.quote_plus(data),
        base64.b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        escape(text),
    ]
    blotter = Blotter(forms_of(text))

    assert [] == [one for one in encoded if blotter.blot(f"<{one}>").strip("<> \n") != blotter.mask]


@given(before=st.binary(max_size=5), value=st.text(min_size=8, max_size=40), after=st.binary(max_size=5))
def test_within_something_longer_that_is_in_base64_nothing_is_left_of_it(
    before: bytes, value: str, after: bytes
) -> None:
    blotter = Blotter(forms_of(value))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        blotted = blotter.blot(encode(before + value.encode() + after).decode())
        assert blotter.mask in blotted
        # Letters at both its ends have bits of what stands beside it.
        left = [part for part in blotted.rstrip("=").split(blotter.mask) if part]
        assert sum(map(len, left)) * 6 <= 8 * len(before + after) + 2 * 8


def test_lines_of_a_value_are_blotted_by_themselves_unless_they_are_short() -> None:
    blotter = Blotter(forms_of("{\nprivate-key-1\n}\n"))

    assert blotter.blot("{ private-key-1 }") == "{ *** }"


def test_without_values_nothing_is_blotted() -> None:
    assert make_blotter(()) is None


def blotter() -> Blotter:
    made = make_blotter([SECRET])
    assert made is not None
    return made


def test_all_texts_of_a_result_are_blotted_and_none_of_its_names() -> None:
    said = f"it is {SECRET}"
    result = AttemptResult(
        test_id=f"id {SECRET}",
        attempt=1,
        node_id="n",
        status=Status.FAILED,
        reason=Reason.ASSERTION,
        error=said,
        short=said,
        output=said,
        metrics={SECRET: 1.0, "duration": 2.0},
        warnings=(said,),
        pytest_warnings=(PytestWarning("W", said, said, said),),
        xpassed=said,
        properties=(("property", said, said),),
    )

    told = "it is ***"
    assert blot_texts(AttemptFinished(result), blotter()) == AttemptFinished(
        AttemptResult(
            test_id=f"id {SECRET}",
            attempt=1,
            node_id="n",
            status=Status.FAILED,
            reason=Reason.ASSERTION,
            error=told,
            short=told,
            output=told,
            metrics={"***": 1.0, "duration": 2.0},
            warnings=(told,),
            pytest_warnings=(PytestWarning("W", told, told, said),),
            xpassed=told,
            properties=(("property", told, told),),
        )
    )


def test_what_has_no_secret_is_the_same_object() -> None:
    note = RunNote("nothing")
    assert blot_texts(note, blotter()) is note


def test_what_was_measured_keeps_its_name_whatever_the_secret() -> None:
    made = make_blotter(["duration", "memory_usage"])
    assert made is not None
    measured = measured_metrics()

    assert blot_texts(measured, made) == measured


def test_events_keep_what_they_are_found_by() -> None:
    made = make_blotter(["home"])
    assert made is not None
    events = (
        RunStarted("home-1", "home", 0.0, "1", {"source": "/home/suite.yaml"}),
        NodeJoined("home", "home", 1, {"place": "home"}),
    )

    assert tuple(blot_texts(event, made) for event in events) == events
    planned = TestPlanned("home", "", "at home", "command", "high", "/home/s.yaml:1")
    assert blot_texts(planned, made) == TestPlanned("home", "", "at ***", "command", "high", "/***/s.yaml:1")


def test_a_collection_is_blotted_but_for_the_names_of_its_items() -> None:
    item = CollectedItem(f"t.py::{SECRET}", f"{SECRET}.py:1", (SECRET,))
    found = blot_texts(Collection((item,), usage_error=SECRET, warnings=(PytestWarning(SECRET, "m"),)), blotter())

    assert found.items == (CollectedItem(f"t.py::{SECRET}", "***.py:1", ("***",)),)
    assert (found.usage_error, found.warnings) == ("***", (PytestWarning("***", "m"),))
