"""Entries that become tests of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from pulseq.distributed.expansion import cases_to_tests, items_of, spec_of
from pulseq.engine.work import CasesFound
from pulseq.models import (
    AttemptResult,
    CollectedItem,
    CollectedVerdict,
    Collection,
    CommandBody,
    Priority,
    PytestBody,
    PytestItemBody,
    PytestSpec,
    Reason,
    Status,
    TestCase,
)

ENTRY = TestCase(
    "unit",
    PytestBody(("tests",), ("-m", "not slow"), pyargs=True),
    requirements={"os": "linux"},
    priority=Priority.HIGH,
    duration=60.0,
    max_retries=2,
    env={"B": "2", "A": "1"},
    cwd="/project",
    python="/project/bin/python",
    labels={"team": "cart"},
)
COLLECTED = Collection(
    items=(
        CollectedItem("tests/test_a.py::test_x[1]", "tests/test_a.py:7", ("slow",)),
        CollectedItem("tests/test_a.py::C::test_y", "tests/test_a.py:9", scope="tests/test_a.py::C"),
    ),
    verdicts=(CollectedVerdict("tests/test_b.py", Status.ERROR, Reason.SETUP, "ImportError: no module named b"),),
)
JAVA = TestCase("java", CommandBody(("./gradlew", "test"), junit="*.xml"), max_retries=1)


def test_a_session_is_what_the_entry_and_the_command_line_say() -> None:
    expected = PytestSpec(
        run_id="r1",
        entry="unit",
        targets=("tests",),
        args=("-m", "not slow"),
        pyargs=True,
        cwd="/project",
        python="/project/bin/python",
        env=(("A", "1"), ("B", "2")),
        keyword="cart",
        markers="quick",
    )
    assert spec_of(ENTRY, "r1", keyword="cart", markers="quick") == expected


def test_items_carry_on_what_their_entry_asks_for() -> None:
    item = items_of(ENTRY, COLLECTED, "n1", prefix=False).items[0]
    assert item == replace(
        ENTRY,
        id="tests/test_a.py::test_x[1]",
        name="test_x[1]",
        body=PytestItemBody("unit", "tests/test_a.py::test_x[1]"),
        duration=None,
        labels={"team": "cart", "slow": True},
        location="tests/test_a.py:7",
    )


def test_an_item_says_what_it_has_to_stay_with() -> None:
    items = items_of(ENTRY, COLLECTED, "n1", prefix=False).items
    assert [item.body for item in items] == [
        PytestItemBody("unit", "tests/test_a.py::test_x[1]"),
        PytestItemBody("unit", "tests/test_a.py::C::test_y", "tests/test_a.py::C"),
    ]


def test_items_of_a_suite_file_are_told_apart_by_their_entry() -> None:
    items = items_of(ENTRY, COLLECTED, "n1", prefix=True).items
    assert [item.id for item in items] == ["unit::tests/test_a.py::test_x[1]", "unit::tests/test_a.py::C::test_y"]


def test_a_file_that_cannot_be_collected_has_its_verdict_at_once() -> None:
    ((test, result),) = items_of(ENTRY, COLLECTED, "n1", prefix=True).verdicts
    assert (test.id, test.max_retries, test.location) == ("unit::tests/test_b.py", 0, "tests/test_b.py")
    assert result == AttemptResult(
        test.id, 1, "n1", Status.ERROR, reason=Reason.SETUP, error="ImportError: no module named b"
    )


def command_result(status: Status, reason: Reason | None = None) -> AttemptResult:
    return AttemptResult("java", 1, "n1", status, reason=reason)


def cases(*statuses: Status) -> CasesFound:
    results = tuple(AttemptResult(f"java::Cart::c{n}", 1, "n1", status) for n, status in enumerate(statuses))
    return CasesFound("java", "", results)


def test_each_case_is_a_test_that_is_not_tried_again() -> None:
    tests, keep = cases_to_tests(JAVA, command_result(Status.PASSED), cases(Status.PASSED, Status.SKIPPED))
    assert [(test.id, test.name, test.max_retries, result.status) for test, result in tests] == [
        ("java::Cart::c0", "c0", 0, Status.PASSED),
        ("java::Cart::c1", "c1", 0, Status.SKIPPED),
    ]
    assert keep is None


def test_a_command_that_failed_because_a_case_did_needs_no_row() -> None:
    failure = command_result(Status.FAILED, Reason.EXIT_CODE)
    assert cases_to_tests(JAVA, failure, cases(Status.PASSED, Status.FAILED))[1] is None


@pytest.mark.parametrize(
    ("reason", "statuses"),
    [
        (Reason.EXIT_CODE, [Status.PASSED]),
        (Reason.TIMEOUT, [Status.PASSED, Status.FAILED]),
        (Reason.CRASH, [Status.ERROR]),
    ],
)
def test_a_command_whose_failure_no_case_explains_keeps_its_row(reason: Reason, statuses: list[Status]) -> None:
    failure = command_result(Status.ERROR, reason)
    tests, keep = cases_to_tests(JAVA, failure, cases(*statuses))
    assert (len(tests), keep) == (len(statuses), failure)


def test_a_command_that_left_no_file_has_an_error_that_says_so() -> None:
    nothing = CasesFound("java", "", (), "no file written by this attempt matches '*.xml'")
    tests, keep = cases_to_tests(JAVA, command_result(Status.PASSED), nothing)
    assert (tests, keep) == (
        [],
        structs.replace(command_result(Status.PASSED), status=Status.ERROR, reason=Reason.SETUP, error=nothing.trouble),
    )


def test_a_command_that_failed_and_left_no_file_has_failed() -> None:
    failure = command_result(Status.FAILED, Reason.EXIT_CODE)
    assert cases_to_tests(JAVA, failure, CasesFound("java", "", (), "nothing"))[1] is failure


def test_ids_of_items_and_cases_are_bounded_and_stay_apart() -> None:
    long = "x" * 100_000
    collection = Collection(
        (CollectedItem(f"t.py::t[{long}1]", "t.py:1"), CollectedItem(f"t.py::t[{long}2]", "t.py:1"))
    )
    collected = items_of(ENTRY, collection, "n", prefix=True).items
    said = tuple(AttemptResult(f"java::Cart::{long}{end}", 1, "n", Status.PASSED) for end in "ab")
    tests, _ = cases_to_tests(JAVA, command_result(Status.PASSED), CasesFound("java", "", said))

    assert [len(case.id) for case in collected] == [1_000, 1_000]
    assert [case.body.nodeid for case in collected if isinstance(case.body, PytestItemBody)] == [
        item.nodeid for item in collection.items
    ]
    assert [(len(test.id), test.id == result.test_id) for test, result in tests] == [(1_000, True)] * 2
    assert len({case.id for case in collected} | {test.id for test, _ in tests}) == 4
    assert tests[0][0].whole_id == f"java::Cart::{long}"[:64_000]
