"""What all events of a run have in common."""

from __future__ import annotations

import inspect
from typing import get_args

import msgspec
import pytest

from pulseq import events
from pulseq.events import AttemptFinished, Event, RunNote, TestClosed
from pulseq.models import AttemptResult, Status

ALL = get_args(Event)


def test_an_event_is_every_class_of_the_module() -> None:
    defined = {one for _, one in inspect.getmembers(events, inspect.isclass) if one.__module__ == events.__name__}

    assert defined == set(ALL)


@pytest.mark.parametrize("event", ALL)
def test_each_is_frozen_and_says_what_it_is(event: type[msgspec.Struct]) -> None:
    assert event.__struct_config__.frozen
    assert event.__doc__


def test_none_is_collected_by_pytest() -> None:
    assert [] == [event.__name__ for event in ALL if event.__name__.startswith("Test") and event.__test__]


def test_two_that_say_the_same_are_equal() -> None:
    assert RunNote("a") == RunNote("a") != RunNote("b")


def test_what_stands_at_its_default_is_not_written() -> None:
    closed = TestClosed("a", "", Status.PASSED, None, False, 1)
    finished = AttemptFinished(AttemptResult("a", 1, "n", Status.PASSED))

    assert {"test_id", "variant", "status", "reason", "flaky", "attempts"} == msgspec.to_builtins(closed).keys()
    assert {"test_id", "attempt", "node_id", "status"} == msgspec.to_builtins(finished)["result"].keys()
