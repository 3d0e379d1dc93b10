"""Commands that leave JUnit files, through all their attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pulseq.events import AttemptFinished, RunNote, TestClosed, TestExpanded, TestPlanned
from pulseq.models import AttemptResult, CommandBody, Reason, SimulateBody, Status, TestCase
from pulseq.protocol.from_node import CasesFound
from pulseq.run.command_cases import CommandCases, row_of_command
from pulseq.run.ledger import Begun
from tests.run.told import Told

PASSED, FAILED, ERROR, SKIPPED = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED
EXIT = Reason.EXIT_CODE
Said = Mapping[str, Status]


def said(name: str, status: Status) -> AttemptResult:
    return AttemptResult(f"java::{name}", 1, "n1", status)


def found(said_of: Said, /, **more: Any) -> CasesFound:
    results = tuple(said(name, status) for name, status in said_of.items())
    return structs.replace(CasesFound("java", "", results, None if results else "no file"), **more)


class Command:
    """A command on one node, attempt by attempt, and all events that follow."""

    def __init__(self, max_retries: int = 1, others: tuple[str, ...] = ()) -> None:
        self.events = Told()
        self.ledger = self.events.ledger()
        for other in others:
            self.ledger.plan(TestCase(other, SimulateBody()))
        self.ledger.plan(TestCase("java", CommandBody(("make",), junit="*.xml"), max_retries=max_retries))
        self.ledger.sent(("java", ""), "n1")
        self.events.clear()
        self.cases = CommandCases(self.ledger)
        self.ledger.on_told = self.cases.follow
        self.attempt = 0

    def ends(self, told: CasesFound, status: Status = PASSED, reason: Reason | None = None, **more: Any) -> bool:
        self.attempt += 1
        self.ledger.start(("java", ""), self.attempt, "n1", None)
        result = AttemptResult("java", self.attempt, "n1", status, reason=reason, **more)
        self.cases.take(told)
        over = self.cases.book(result)
        if not over:
            self.ledger.finish(result, in_place=True)
        return over

    def verdicts(self) -> dict[str, tuple[Status, int, bool]]:
        closed = [event for event in self.events if isinstance(event, TestClosed)]
        assert len(closed) == len({event.test_id for event in closed})
        return {event.test_id: (event.status, event.attempts, event.flaky) for event in closed}

    def attempts(self, test_id: str) -> list[tuple[int, Status]]:
        booked = [event.result for event in self.events if isinstance(event, AttemptFinished)]
        return [(result.attempt, result.status) for result in booked if result.test_id == test_id]


def test_each_case_is_a_test_and_the_command_is_none() -> None:
    command = Command()
    assert command.ends(found({"C::a": PASSED, "C::b": SKIPPED}))
    assert {"java::C::a": (PASSED, 1, False), "java::C::b": (SKIPPED, 1, False)} == command.verdicts()
    assert TestExpanded("java", "", 2) in command.events
    assert ["a", "b"] == [event.name for event in command.events if isinstance(event, TestPlanned)]
    assert 0 == command.ledger.open


def test_what_a_command_without_a_row_said_of_itself_is_a_note() -> None:
    command = Command()
    measured = {"duration": 1.0, "response_time": 1.0, "memory_usage": 9.0, "cpu_usage": 5.0}
    command.ends(found({"a": PASSED}), metrics={**measured, "size": 3.0}, warnings=("the metric 'speed' was …",))
    note = "java: its metrics size are not kept, since its test cases have its results; the metric 'speed' was …"
    assert [note] == [event.text for event in command.events if isinstance(event, RunNote)]


@pytest.mark.parametrize(
    ("told", "status", "reason"),
    [({}, FAILED, EXIT), ({"a": PASSED}, FAILED, EXIT), ({"a": FAILED}, ERROR, Reason.TIMEOUT)],
)
def test_a_command_that_passes_after_what_no_case_tells_is_flaky_itself(
    told: Said, status: Status, reason: Reason
) -> None:
    command = Command()
    assert not command.ends(found(told), status, reason)
    assert command.ends(found({"a": PASSED}))
    assert (PASSED, 2, True) == command.verdicts()["java"]
    assert {"java", "java::a"} == set(command.verdicts())


def test_a_command_that_fails_by_its_cases_in_the_end_has_no_row_of_what_was_before() -> None:
    command = Command()
    assert not command.ends(found({}), ERROR, Reason.TIMEOUT)
    assert command.ends(found({"a": FAILED}), FAILED, EXIT)
    assert {"java::a": (FAILED, 1, False)} == command.verdicts()


def test_cases_that_the_second_attempt_did_not_repeat_keep_what_the_first_said() -> None:
    command = Command()
    assert not command.ends(found({"a": PASSED, "b": FAILED, "c": PASSED}), FAILED, EXIT)
    assert command.ends(found({"b": PASSED}))
    assert {
        "java::a": (PASSED, 1, False),
        "java::b": (PASSED, 2, True),
        "java::c": (PASSED, 1, False),
    } == command.verdicts()
    assert [(1, FAILED), (2, PASSED)] == command.attempts("java::b")


def test_a_retry_that_says_all_again_counts_for_all() -> None:
    command = Command()
    command.ends(found({"a": PASSED, "b": FAILED}), FAILED, EXIT)
    command.ends(found({"a": FAILED, "b": PASSED}), FAILED, EXIT)
    assert {"java::a": (FAILED, 2, False), "java::b": (PASSED, 2, True)} == command.verdicts()


def test_a_case_that_only_the_retry_knows_has_had_one_attempt() -> None:
    command = Command()
    command.ends(found({"a": FAILED}), FAILED, EXIT)
    command.ends(found({"a": PASSED, "d": PASSED}))
    assert {"java::a": (PASSED, 2, True), "java::d": (PASSED, 1, False)} == command.verdicts()


def test_an_earlier_attempt_is_told_before_the_later_one_ends() -> None:
    command = Command()
    command.ends(found({"a": FAILED}), FAILED, EXIT)
    assert [(1, FAILED)] == command.attempts("java::a")
    assert {} == command.verdicts()


def test_tries_within_one_attempt_are_attempts() -> None:
    command = Command()
    results = (said("a", FAILED), said("a", ERROR), said("a", PASSED))
    command.ends(found({}, cases=results, trouble=None))
    assert {"java::a": (PASSED, 3, True)} == command.verdicts()


def test_what_a_retry_only_lists_as_skipped_keeps_its_verdict() -> None:
    command = Command()
    command.ends(found({"a": PASSED, "b": FAILED, "c": SKIPPED}), FAILED, EXIT)
    command.ends(found({"a": SKIPPED, "b": SKIPPED, "c": PASSED}))
    assert {
        "java::a": (PASSED, 1, False),
        "java::b": (FAILED, 1, False),
        "java::c": (PASSED, 2, False),
    } == command.verdicts()


def test_a_retry_that_writes_nothing_anew_and_passes_is_told_by_what_was_known() -> None:
    command = Command()
    command.ends(found({"a": PASSED}), FAILED, EXIT)
    assert command.ends(found({}))
    assert {"java::a": (PASSED, 1, False), "java": (PASSED, 2, True)} == command.verdicts()


@pytest.mark.parametrize(("status", "reason"), [(FAILED, EXIT), (ERROR, Reason.CRASH), (ERROR, Reason.TIMEOUT)])
def test_a_retry_that_leaves_nothing_and_fails_has_a_row_beside_the_cases(status: Status, reason: Reason) -> None:
    command = Command()
    command.ends(found({"a": PASSED, "b": FAILED}), FAILED, EXIT)
    command.ends(found({}), status, reason)
    assert {
        "java": (status, 2, False),
        "java::a": (PASSED, 1, False),
        "java::b": (FAILED, 1, False),
    } == command.verdicts()


def test_a_file_or_a_suite_that_is_well_in_the_retry_has_passed() -> None:
    command = Command()
    bad = structs.replace(said("[out.xml]", ERROR), reason=Reason.SETUP, error="torn")
    command.ends(found({"C::[suite]": ERROR, "D::[suite]": ERROR}, bad_files=(bad,)), FAILED, EXIT)
    command.ends(found({"C::a": PASSED}, sound=("java::C::[suite]", "java::[out.xml]", "java::E::[suite]")))
    assert {
        "java::C::[suite]": (PASSED, 2, True),
        "java::D::[suite]": (ERROR, 1, False),
        "java::[out.xml]": (PASSED, 2, True),
        "java::C::a": (PASSED, 1, False),
    } == command.verdicts()


def test_a_case_with_the_id_of_a_test_of_the_suite_is_told_apart_from_it() -> None:
    command = Command(others=("java::a", "java::a#2"))
    command.ends(found({"a": FAILED}), FAILED, EXIT)
    command.ends(found({"a": PASSED}))
    assert {"java::a#3": (PASSED, 2, True)} == command.verdicts()


def test_a_case_has_the_name_that_its_node_gives() -> None:
    command = Command()
    command.ends(found({"spec::Shop::Cart adds": PASSED}, names={"java::spec::Shop::Cart adds": "Shop::Cart adds"}))
    assert ["Shop::Cart adds"] == [event.name for event in command.events if isinstance(event, TestPlanned)]


def test_files_of_an_attempt_that_nobody_waits_for_do_not_count() -> None:
    command = Command()
    command.ledger.lose_node("n1", {("java", ""): Begun.NO}, "gone")
    command.cases.take(found({"a": PASSED}))
    command.events.clear()
    assert not command.cases.book(AttemptResult("java", 1, "n1", PASSED))
    assert [] == command.events


def test_files_of_a_lost_attempt_are_not_those_of_the_next() -> None:
    command = Command()
    command.cases.take(found({"a": PASSED}))
    command.ledger.start(("java", ""), 1, "n1", None)
    assert not command.cases.book(AttemptResult("java", 1, "n1", PASSED))
    assert command.ledger.is_open(("java", ""))


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from([PASSED, FAILED, ERROR]), max_size=4),
        min_size=1,
        max_size=4,
    )
)
def test_every_case_ends_once_with_what_was_said_last(attempts: list[dict[str, Status]]) -> None:
    command = Command(max_retries=len(attempts) - 1)
    for cases in attempts:
        command.ends(found(cases), FAILED, EXIT)
    expected = {}
    for name in "abcd":
        told = [cases[name] for cases in attempts if name in cases]
        if told:
            expected[f"java::{name}"] = (told[-1], len(told), told[-1] is PASSED and set(told) != {PASSED})
            assert list(enumerate(told, 1)) == command.attempts(f"java::{name}")
    verdicts = command.verdicts()
    verdicts.pop("java", None)
    assert (expected, 0) == (verdicts, command.ledger.open)


def row(status: Status, reason: Reason | None, told: CasesFound, *, known: bool = False) -> AttemptResult | None:
    return row_of_command(AttemptResult("java", 1, "n1", status, reason=reason), told, known=known)


def test_a_command_that_failed_because_a_case_did_needs_no_row() -> None:
    assert row(FAILED, EXIT, found({"a": PASSED, "b": FAILED})) is None


@pytest.mark.parametrize(
    ("reason", "cases"),
    [
        (EXIT, {"a": PASSED}),
        (Reason.TIMEOUT, {"a": PASSED, "b": FAILED}),
        (Reason.CRASH, {"a": ERROR}),
    ],
)
def test_a_command_whose_failure_no_case_explains_keeps_its_row(reason: Reason, cases: Said) -> None:
    assert AttemptResult("java", 1, "n1", ERROR, reason=reason) == row(ERROR, reason, found(cases))


def test_a_case_that_passed_in_the_end_explains_no_failure() -> None:
    assert row(FAILED, EXIT, found({}, cases=(said("a", FAILED), said("a", PASSED)))) is not None


def test_a_file_that_cannot_be_read_explains_no_failure() -> None:
    bad = (said("[a.xml]", ERROR),)
    assert row(FAILED, EXIT, found({}, bad_files=bad)) is not None
    assert row(PASSED, None, found({}, bad_files=bad)) is None


def test_a_command_that_left_no_file_has_an_error_that_says_so() -> None:
    kept = row(PASSED, None, found({}, trouble="no file written by this attempt matches '*.xml'"))
    assert (
        AttemptResult(
            "java", 1, "n1", ERROR, reason=Reason.SETUP, error="no file written by this attempt matches '*.xml'"
        )
        == kept
    )


def test_a_command_that_failed_and_left_no_file_has_failed() -> None:
    assert AttemptResult("java", 1, "n1", FAILED, reason=EXIT) == row(FAILED, EXIT, found({}))
