import json
import math
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.results.json_text import general_text, number


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


def test_the_general_encoder_knows_mappings_sets_and_paths() -> None:
    given_values = {"path": Path("a/b"), "set": {"b", "a"}, "mapping": MappingProxyType({"x": 1})}
    assert json.loads(general_text(given_values)) == {"path": "a/b", "set": ["a", "b"], "mapping": {"x": 1}}


@pytest.mark.parametrize(("value", "error"), [(1j, TypeError), (math.nan, ValueError)])
def test_the_general_encoder_refuses_what_json_cannot_hold(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        general_text([value])
