"""How problems are worded and placed."""

from __future__ import annotations

import pickle

import pytest

from pulseq.suites.documents import Document, Flaw, Flawed, KeyPath, WrittenFloat, describe, format_path, shorten

DOCUMENT = Document("x.yaml", {}, (), {(): 1, ("a",): 3, ("b",): 2}.get)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "(file)"),
        (("tests", 3, "requirements", "memory"), "tests[3].requirements.memory"),
        ((0, "a"), "[0].a"),
        (("a\nb",), "a\\nb"),
    ],
)
def test_a_path_is_written_as_in_code(path: KeyPath, text: str) -> None:
    assert format_path(path) == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "true"),
        (5, "5"),
        (WrittenFloat("3.10"), "3.10"),
        ("a\x1b[1m", "'a\\x1b[1m'"),
        ({}, "an empty mapping"),
        ({"a": 1}, "a mapping"),
        ([], "an empty list"),
        ((1,), "a list"),
        ({1}, "a set"),
    ],
)
def test_a_value_is_shown_in_words(value: object, words: str) -> None:
    assert describe(value) == words


def test_a_long_text_is_cut() -> None:
    assert shorten("x" * 1000) == "x" * 60 + "…"


def test_problems_come_in_the_order_of_the_file() -> None:
    error = DOCUMENT.refuse([Flaw(("a",), "1", "2"), Flaw(("b",), "3", "4", "bb"), Flaw((), "5", "6", line=9)])
    assert str(error).splitlines() == [
        "x.yaml:2: b: found 3, expected 4; did you mean 'bb'?",
        "x.yaml:3: a: found 1, expected 2",
        "x.yaml:9: (file): found 5, expected 6",
    ]


def test_a_place_is_file_and_line_or_the_file_alone() -> None:
    assert [DOCUMENT.place("a"), DOCUMENT.place("zzz")] == ["x.yaml:3", "x.yaml"]


def test_a_flaw_seen_from_above_has_a_longer_path() -> None:
    assert str(Flaw(("b",), "1", "2").below("a", 0)) == "a[0].b: found 1, expected 2"


def test_what_is_flawed_says_all_of_it() -> None:
    assert str(Flawed([Flaw((), "1", "2"), Flaw(("a",), "3", "4")])) == "found 1, expected 2\na: found 3, expected 4"


def test_a_written_decimal_becomes_a_plain_one() -> None:
    plain = float(WrittenFloat("3.10"))
    assert (type(plain), pickle.loads(pickle.dumps(plain))) == (float, 3.1)
