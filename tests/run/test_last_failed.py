"""Which tests `--lf` takes."""

from __future__ import annotations

from pulseq.models import AttemptResult, CommandBody, PytestItemBody, SimulateBody, Status, TestCase
from pulseq.run.expansion import NO_TESTS, CollectedTests
from pulseq.run.last_failed import LastFailed


def _item(test_id: str) -> TestCase:
    return TestCase(test_id, PytestItemBody("pytest", test_id))


def _among(known: set[str], *test_ids: str) -> list[str] | None:
    found = LastFailed(known).among(CollectedTests(tuple(map(_item, test_ids)), ()))
    return None if found is None else [item.id for item in found.items]


def test_without_a_choice_every_test_is_taken() -> None:
    choice = LastFailed(None)

    assert choice.takes(TestCase("a", SimulateBody()))
    assert NO_TESTS is choice.among(NO_TESTS)
    assert "" == choice.said


def test_those_that_are_known_to_fail_are_taken() -> None:
    assert ["a.py::x"] == _among({"a.py::x"}, "a.py::x", "a.py::y")


def test_all_tests_of_a_file_that_could_not_be_collected_are_taken() -> None:
    assert ["a.py::x", "a.py::C::y"] == _among({"a.py"}, "a.py::x", "a.py::C::y", "b.py::x")


def test_what_keeps_the_file_of_a_failure_from_being_collected_is_told() -> None:
    error = (_item("a.py"), AttemptResult("a.py", 1, "node1", Status.ERROR))
    other = (_item("b.py"), AttemptResult("b.py", 1, "node1", Status.ERROR))

    found = LastFailed({"a.py::x"}).among(CollectedTests((), (error, other)))

    assert CollectedTests((), (error,)) == found


def test_a_command_is_taken_where_a_case_of_its_files_failed() -> None:
    choice = LastFailed({"java::shop.Cart::adds", "a::b"})

    assert choice.takes(TestCase("java", CommandBody(("true",), junit="*.xml")))
    assert not choice.takes(TestCase("a", CommandBody(("true",))))


def test_a_test_below_another_in_name_alone_is_not_taken_for_it() -> None:
    assert not LastFailed({"a"}).takes(TestCase("a::b", SimulateBody()))


def test_where_none_is_known_to_fail_what_was_put_off_is_taken() -> None:
    choice, told = LastFailed({"gone"}), list[bool]()
    choice.put_off(2, told.append)

    choice.settle()

    assert [True] == told
    assert "--lf: none of these tests is known to fail, so all are run" == choice.said


def test_nothing_is_said_where_there_is_no_test() -> None:
    choice, told = LastFailed({"gone"}), list[bool]()
    choice.put_off(0, told.append)

    choice.settle()

    assert ([True], "") == (told, choice.said)


def test_where_one_is_known_to_fail_what_was_put_off_is_left_out() -> None:
    choice, told = LastFailed({"bad"}), list[bool]()
    choice.put_off(2, told.append)
    choice.takes(TestCase("bad", SimulateBody()))

    choice.settle()

    assert [False] == told
    assert "--lf: 1 of 3 tests, known to fail from earlier runs" == choice.said
