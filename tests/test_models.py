"""What the words of PulseQ do by themselves."""

from __future__ import annotations

import dataclasses

import pytest

from pulseq.bounds import MOST_ID_CHARACTERS
from pulseq.models import CommandBody, Priority, SimulateBody, Suite, TestCase

LONG = "a" * MOST_ID_CHARACTERS + "b"


def test_priorities_are_ordered_and_named_as_suites_have_them() -> None:
    assert ["low", "medium", "high", "critical"] == [priority.word for priority in sorted(Priority)]


def test_a_test_is_known_by_its_id_and_its_variant() -> None:
    assert ("cart", "browser=firefox") == TestCase("cart", SimulateBody(), variant="browser=firefox").key


def test_an_id_that_is_too_long_is_cut_and_told_from_others() -> None:
    one, other = TestCase(LONG, SimulateBody()), TestCase(f"{LONG}c", SimulateBody())

    assert len(one.id) <= MOST_ID_CHARACTERS
    assert one.id != other.id
    assert (LONG, f"{LONG}c") == (one.whole_id, other.whole_id)


def test_an_id_that_is_short_enough_stays() -> None:
    assert ("a", None) == ((test := TestCase("a", SimulateBody())).id, test.whole_id)


def test_a_copy_of_a_test_with_a_long_id_keeps_the_whole_of_it() -> None:
    copy = dataclasses.replace(TestCase(LONG, SimulateBody()), max_retries=2)

    assert (LONG, 2) == (copy.whole_id, copy.max_retries)


def test_names_of_tests_and_suites_are_bounded() -> None:
    named = TestCase("a", SimulateBody(), name=LONG), Suite(LONG, ())

    assert [True, True] == [len(one.name) <= MOST_ID_CHARACTERS for one in named]


@pytest.mark.parametrize(
    ("argv", "script"),
    [
        (("python3.12", "a.py", "b"), "a.py"),
        (("/bin/sh", "../a"), "../a"),
        (("bash", "-c", "true"), None),
        (("perl",), None),
        (("cat", "a.py"), None),
    ],
)
def test_a_script_is_what_an_interpreter_is_to_run(argv: tuple[str, ...], script: str | None) -> None:
    assert script == CommandBody(argv).script


def test_models_are_frozen() -> None:
    with pytest.raises(AttributeError):
        CommandBody(("true",)).shell = True
