"""Which known word a reader is asked whether it was meant, and how several errors become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import NothingToRunError, PulseqError, UsageError, call_all, nearest
from pulseq.suites.common_keys import KINDS, DefaultKeys

KEYS = ("id", "name", "labels", "args", "kwargs", "shell", "duration", *KINDS, *DefaultKeys.kinds())
#: But for `kwargs`, of which `wargs` is as near to `args`.
LONG_KEYS = [key for key in KEYS if len(key) > 3 and key != "kwargs"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("comand", "command"),
        ("commnad", "command"),
        ("Command", "command"),
        ("max-retries", "max_retries"),
        ("max_retry", "max_retries"),
        ("requirments", "requirements"),
        ("label", "labels"),
        ("arg", "args"),
        ("metric", "metrics"),
        ("di", "id"),
        ("ID", "id"),
    ],
)
def test_a_slip_is_near(word: str, meant: str) -> None:
    assert meant == nearest(word, KEYS)


@pytest.mark.parametrize(
    "word",
    [
        "tags",
        "matrix",
        "each",
        "locks",
        "needs",
        "after",
        "disk",
        "processes",
        "os",
        "x",
        "",
        "idempotent",
        "exclusive",
    ],
)
def test_another_word_is_not(word: str) -> None:
    assert nearest(word, KEYS) is None


@pytest.mark.parametrize(("word", "meant"), [("pass", "passed"), ("fail", "failed"), ("skip", "skipped"), ("e", None)])
def test_an_ending_may_be_missing(word: str, meant: str | None) -> None:
    assert meant == nearest(word, ("passed", "failed", "error", "skipped"))


def test_of_two_that_are_as_near_the_one_that_begins_alike() -> None:
    assert nearest("port", ["sort", "part"]) == "part"


@given(st.sampled_from(LONG_KEYS), st.data())
def test_one_slip_in_a_key_is_near(key: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(key) - 2))
    slip = data.draw(
        st.sampled_from(
            [
                key[:place] + key[place + 1 :],
                key[:place] + "x" + key[place:],
                key[:place] + "x" + key[place + 1 :],
                key[:place] + key[place + 1] + key[place] + key[place + 2 :],
            ]
        )
    )
    assert key == nearest(slip, KEYS)


@given(st.text(max_size=15), st.lists(st.text(max_size=15)))
def test_what_is_near_is_known_and_a_known_word_is_nearest_to_itself(word: str, known: list[str]) -> None:
    assert nearest(word, known) in {None, *known}
    if len(word) > 1:
        near = nearest(word, [*known, word])
        assert near is not None
        assert near.casefold().replace("-", "_") == word.casefold().replace("-", "_")


def _raise(error: PulseqError) -> None:
    raise error


def test_all_are_called_whatever_the_first_raises() -> None:
    assert [1, None] == call_all(lambda: 1, lambda: None)
    with pytest.raises(NothingToRunError, match="no tests"):
        call_all(lambda: _raise(NothingToRunError("no tests")), lambda: 1)
    with pytest.raises(UsageError) as caught:
        call_all(lambda: _raise(NothingToRunError("no tests")), lambda: _raise(UsageError("no nodes")))
    assert str(caught.value) == "no tests\nno nodes"
