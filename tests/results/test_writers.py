import json
import math
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import AttemptFinished, AttemptStarted, TestClosed, TestPlanned
from pulseq.models import AttemptResult, Reason, Status
from pulseq.results.writers import general_text, number, write_closed, write_finished, write_planned, write_started


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53) | st.booleans())
def test_a_number_comes_back_as_the_very_same(value: float) -> None:
    assert value == json.loads(number(value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"found {value}, expected a finite number"):
        number(value)


def test_an_integer_past_any_float_is_refused() -> None:
    with pytest.raises(OverflowError):
        number(10**400)


def test_what_stands_at_its_default_is_left_out() -> None:
    planned = write_planned(TestPlanned("t", "", "t", "call", "low"))
    assert json.loads(planned) == {"test_id": "t", "variant": "", "name": "t", "body": "call", "priority": "low"}
    started = write_started(AttemptStarted("t", "", 1, "n"))
    assert json.loads(started) == {"test_id": "t", "variant": "", "attempt": 1, "node_id": "n"}
    finished = write_finished(AttemptFinished(AttemptResult("t", 1, "n", Status.PASSED)))
    assert list(json.loads(finished)["result"]) == ["test_id", "attempt", "node_id", "status", "started_at", "duration"]


def test_everything_else_is_there() -> None:
    result = AttemptResult(
        *("t", 1, "n", Status.ERROR, "v", Reason.TIMEOUT, 1.0, 2.0, 3.0, "late", "out", 3, 1, 9),
        metrics={"m": 1},
        simulated=True,
        leaked_processes=2,
        warnings=("w",),
    )
    told = json.loads(write_finished(AttemptFinished(result)))["result"]
    assert AttemptResult(**told | {"warnings": tuple(told["warnings"])}) == result
    closed = json.loads(write_closed(TestClosed("t", "v", Status.ERROR, Reason.TIMEOUT, False, 1, "n", "late")))
    assert (closed["reason"], closed["node_id"], closed["error"]) == ("timeout", "n", "late")


def test_the_general_encoder_knows_mappings_sets_and_paths() -> None:
    given_values = {"path": Path("a/b"), "set": {"b", "a"}, "mapping": MappingProxyType({"x": 1})}
    assert json.loads(general_text(given_values)) == {"path": "a/b", "set": ["a", "b"], "mapping": {"x": 1}}


@pytest.mark.parametrize(("value", "error"), [(1j, TypeError), (math.nan, ValueError)])
def test_the_general_encoder_refuses_what_json_cannot_hold(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        general_text([value])
