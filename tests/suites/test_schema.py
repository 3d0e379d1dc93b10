"""What is declared is read, or all that is wrong with it is told, each thing at its place and in our words."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from types import MappingProxyType
from typing import Annotated, Any

import pytest

from pulseq.suites.documents import Flawed
from pulseq.suites.schema import Expected, Keys, ReadBy, read

Count = Annotated[int, Expected("a whole number, 1 or more", ge=1)]


def read_even(value: Any) -> int:
    if value % 2:
        raise Flawed.at(str(value), "an even number")
    return int(value)


class InnerKeys(Keys, thing="an inner thing", needs=("size",)):
    size: Count


class OuterKeys(Keys, thing="a thing", free=("any-thing",)):
    flag: Annotated[bool, Expected("true or false")]
    inner: InnerKeys
    even: Annotated[int, ReadBy(read_even)]


class MoreKeys(OuterKeys, known=("flag", "somewhere_else")):
    more: Annotated[tuple[Count, ...], Expected("a list of at least one count", min_length=1)]


def refuse(kind: Any, value: object) -> list[str]:
    with pytest.raises(Flawed) as refusal:
        read(kind, value)
    return [str(flaw) for flaw in refusal.value.flaws]


def test_of_keys_those_that_are_written_are_read() -> None:
    written = {"flag": False, "inner": {"size": 3}, "any-thing": [None]}
    assert read(OuterKeys, written) == written
    assert read(OuterKeys, {}) == {}


@pytest.mark.parametrize("kind", [OrderedDict, MappingProxyType])
def test_any_mapping_will_do(kind: Any) -> None:
    assert read(OuterKeys, kind({"inner": kind({"size": 3})})) == {"inner": {"size": 3}}


def test_all_that_is_wrong_is_told_in_the_order_in_which_it_is_written() -> None:
    assert refuse(OuterKeys, {"inner": {"size": 0, "colour": 1}, "zzz": 1, "even": 3, "flag": 1}) == [
        "inner.size: found 0, expected a whole number, 1 or more",
        "inner.colour: found an unknown key, expected a key of an inner thing: size",
        "zzz: found an unknown key, expected a key of a thing: flag, inner, even, any-thing",
        "even: found 3, expected an even number",
        "flag: found 1, expected true or false",
    ]


def test_a_key_that_is_no_text_is_unknown() -> None:
    assert refuse(InnerKeys, {"size": 1, 5: 1}) == [
        "5: found an unknown key, expected a key of an inner thing: size",
    ]


def test_a_key_that_is_missing_is_told_unless_it_was_probably_meant() -> None:
    assert refuse(InnerKeys, {}) == ["size: found nothing, expected this key, which an inner thing needs"]
    assert refuse(InnerKeys, {"siez": 1}) == [
        "siez: found an unknown key, expected a key of an inner thing; did you mean 'size'?"
    ]


def test_a_class_has_the_keys_of_the_one_it_is_made_of_and_tells_of_those_that_it_is_to() -> None:
    assert read(MoreKeys, {"flag": True, "more": [1, 2]}) == {"flag": True, "more": (1, 2)}
    assert refuse(MoreKeys, {"zzz": 1}) == [
        "zzz: found an unknown key, expected a key of a thing: flag, somewhere_else"
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "more: found an empty list, expected a list of at least one count"),
        ({}, "more: found an empty mapping, expected a list of at least one count"),
        ("one", "more: found 'one', expected a list of at least one count"),
        ([1, True], "more[1]: found true, expected a whole number, 1 or more"),
        ([1, "2"], "more[1]: found '2', expected a whole number, 1 or more, without quotes"),
        ([1, "2s"], "more[1]: found '2s', expected a whole number, 1 or more, without a unit"),
        ([1.0], "more[0]: found 1.0, expected a whole number, 1 or more"),
    ],
)
def test_a_list_is_told_what_it_is_to_hold(value: object, told: str) -> None:
    assert refuse(MoreKeys, {"more": value}) == [told]


def test_a_word_in_the_place_of_a_list_of_words_is_told_how_to_write_one() -> None:
    kind = Annotated[tuple[str, ...], Expected("a list of names")]
    assert refuse(kind, "one") == ["found 'one', expected a list of names; did you mean '[one]'?"]
    assert refuse(kind, "one two") == ["found 'one two', expected a list of names"]


def test_what_is_no_mapping_has_no_keys() -> None:
    assert refuse(OuterKeys, [1]) == ["found a list, expected a thing, as a mapping of keys to values"]
    assert refuse(OuterKeys, {"inner": 1}) == [
        "inner: found 1, expected an inner thing, as a mapping of keys to values"
    ]


def test_what_has_no_words_of_ours_is_refused_all_the_same() -> None:
    assert refuse(int, "x")[0].startswith("found 'x', expected ")


def test_pydantic_is_loaded_with_the_first_value_alone() -> None:
    look = "import sys, pulseq.suites.suite_file, pulseq.suites.prefect_file; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "False\n"
