"""Pickling of data that travels by the thousand."""

from __future__ import annotations

import copy
import pickle

import pytest
from msgspec.structs import replace

from pulseq.models import AttemptResult, Reason, Status
from pulseq.protocol.from_node import AttemptStart
from pulseq.pytest_sessions import CollectedItem, PytestOrder

RESULT = AttemptResult("a", 2, "node1", Status.FAILED, "chrome", Reason.ASSERTION, metrics={"x": 1.5}, warnings=("w",))


@pytest.mark.parametrize(
    "value",
    [
        RESULT,
        AttemptStart("a", "", 1, None),
        CollectedItem("a.py::b", "a.py:3", ("slow",), "a.py"),
        PytestOrder("a", "", "a.py::b", 2, 1.5, ("x",)),
    ],
)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_pickled_comes_back_equal(value: object, protocol: int) -> None:
    back = pickle.loads(pickle.dumps(value, protocol))
    assert (value, type(value)) == (back, type(back))


def test_copies_are_equal_and_can_be_changed_on_the_way() -> None:
    assert copy.deepcopy(RESULT) == RESULT == copy.copy(RESULT)
    assert replace(copy.copy(RESULT), attempt=3).attempt == 3
