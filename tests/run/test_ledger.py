"""From the plan of a test to its one verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from pulseq.events import AttemptFinished, AttemptStarted, Event, NodeLost, RunNote, TestClosed, TestExpanded
from pulseq.models import (
    AttemptResult,
    CommandBody,
    Key,
    PytestItemBody,
    PytestWarning,
    Reason,
    SimulateBody,
    Status,
    TestCase,
)
from pulseq.run.ledger import Begun, Ledger, Next, planned_event
from tests.run.told import Told, told_by

KEY = ("t", "")
WARNING = PytestWarning("UserWarning", "old", "t.py:3", "runtest")


def case(retries: int = 0, name: str = "t") -> TestCase:
    return TestCase(name, CommandBody(("true",)), max_retries=retries)


def result(
    status: Status = Status.PASSED,
    reason: Reason | None = None,
    *,
    attempt: int = 1,
    node: str = "n1",
    error: str | None = None,
    name: str = "t",
) -> AttemptResult:
    if reason is None and status is not Status.PASSED:
        reason = Reason.SKIP if status is Status.SKIPPED else Reason.EXIT_CODE
    return AttemptResult(name, attempt, node, status, reason=reason, error=error)


def closed(
    status: Status, reason: Reason | None = None, attempts: int = 1, node: str | None = "n1", **more: object
) -> TestClosed:
    flaky = more.get("flaky") is True
    error = more.get("error")
    assert error is None or isinstance(error, str)
    return TestClosed("t", "", status, reason, flaky, attempts, node, error)


def lose(ledger: Ledger, why: str, untold: Begun = Begun.NO) -> tuple[list[Event], bool]:
    """The test's node is lost; the events, and whether the test is to be queued again."""
    sent, told = ledger.test(KEY).sent, told_by(ledger)
    lost = ledger.lose_node(sent.node_id if sent else "n1", {KEY: untold}, why)
    told = told_by(ledger)
    assert isinstance(told[0], NodeLost)
    return told[1:], KEY in (*lost.alone, *lost.apart, *lost.again)


def planned(retries: int = 0, clock: Callable[[], float] = lambda: 0.0) -> Ledger:
    """A ledger with one test."""
    ledger = Told().ledger(clock)
    ledger.plan(case(retries))
    told_by(ledger)
    return ledger


def begun(retries: int = 0, node: str = "n1", clock: Callable[[], float] = lambda: 0.0) -> Ledger:
    """A ledger with one test, which a node has begun."""
    ledger = planned(retries, clock)
    begin(ledger, node)
    return ledger


def begin(ledger: Ledger, node: str = "n1", task_run: str = "task") -> list[Event]:
    ledger.sent(KEY, node)
    return start(ledger, ledger.test(KEY).next_attempt, node, task_run)


def start(ledger: Ledger, attempt: int, node: str = "n1", task_run: str = "task") -> list[Event]:
    told_by(ledger)
    ledger.start(KEY, attempt, node, task_run)
    return told_by(ledger)


def finish(ledger: Ledger, outcome: AttemptResult, *, in_place: bool = True) -> tuple[list[Event], Next]:
    told_by(ledger)
    following = ledger.finish(outcome, in_place=in_place)
    return told_by(ledger), following


def test_a_planned_test_is_open_and_its_first_attempt_is_next() -> None:
    ledger = Told().ledger()
    assert (ledger.plan(case()), told_by(ledger)) == (True, [planned_event(case())])
    assert (ledger.open, ledger.open_keys(), ledger.test(KEY).next_attempt) == (1, [KEY], 1)
    assert (ledger.knows(KEY), ledger.is_open(KEY), ledger.case(KEY)) == (True, True, case())


def test_a_test_is_planned_once() -> None:
    ledger = begun()
    assert (ledger.plan(case()), told_by(ledger), ledger.open) == (False, [], 1)


def test_a_begun_attempt_is_told_with_its_task_run() -> None:
    ledger = planned()
    assert begin(ledger, task_run="run-1") == [AttemptStarted("t", "", 1, "n1", "run-1")]


def test_an_attempt_begins_once() -> None:
    assert start(begun(), 1) == []


def test_an_attempt_begins_only_where_the_test_was_sent() -> None:
    assert start(begun(), 1, "n2") == []


@pytest.mark.parametrize("status", [Status.PASSED, Status.SKIPPED, Status.FAILED, Status.ERROR])
def test_a_result_without_retries_is_the_verdict(status: Status) -> None:
    ledger = begun()
    outcome = result(status)
    assert finish(ledger, outcome) == (
        [AttemptFinished(outcome), closed(status, outcome.reason)],
        Next.CLOSED,
    )
    assert (ledger.open, list(ledger.verdicts())) == (0, [closed(status, outcome.reason)])


@pytest.mark.parametrize(("in_place", "following"), [(True, Next.RETRY_THERE), (False, Next.RETRY_ALONE)])
def test_a_failure_with_retries_left_is_tried_again(in_place: bool, following: Next) -> None:
    ledger = begun(retries=1)
    failure = result(Status.FAILED)
    assert finish(ledger, failure, in_place=in_place) == ([AttemptFinished(failure)], following)
    assert (ledger.test(KEY).next_attempt, ledger.test(KEY).retries_left, ledger.open) == (2, 0, 1)


def test_a_test_that_passes_after_a_failure_is_flaky() -> None:
    ledger = begun(retries=1)
    ledger.finish(result(Status.FAILED), in_place=True)
    ledger.start(KEY, 2, "n1", "task")
    ledger.finish(result(attempt=2), in_place=True)
    assert list(ledger.verdicts()) == [closed(Status.PASSED, attempts=2, flaky=True)]


def test_the_last_failure_is_the_verdict_of_a_test_that_never_passes() -> None:
    ledger = begun(retries=1)
    ledger.finish(result(Status.FAILED), in_place=True)
    ledger.start(KEY, 2, "n1", "task")
    assert finish(ledger, result(Status.ERROR, Reason.TIMEOUT, attempt=2))[1] is Next.CLOSED
    assert list(ledger.verdicts()) == [closed(Status.ERROR, Reason.TIMEOUT, attempts=2)]


def test_a_cancelled_attempt_is_not_tried_again() -> None:
    ledger = begun(retries=3)
    assert finish(ledger, result(Status.ERROR, Reason.CANCELLED))[1] is Next.CLOSED
    assert ledger.failures == 0


def test_the_verdict_has_the_last_lines_of_the_error() -> None:
    ledger = begun()
    ledger.finish(result(Status.FAILED, error="1\n2\n3\n4\n5\n\n"), in_place=True)
    assert [verdict.error for verdict in ledger.verdicts()] == ["3\n4\n5"]


def test_the_verdict_on_a_program_says_how_it_ended_and_what_it_wrote_last() -> None:
    ledger = begun()
    ledger.finish(result(Status.FAILED, error="exit code 3; its last output:\n1\n2\n3\n4"), in_place=True)
    assert [verdict.error for verdict in ledger.verdicts()] == ["exit code 3; its last output:\n3\n4"]


def test_the_verdict_has_the_line_of_pytests_short_summary_where_there_is_one() -> None:
    ledger = begun()
    told = result(Status.FAILED, error="E   AssertionError: no\nE   assert 1 == 2\n\na.py:3: AssertionError")
    ledger.finish(replace(told, short="AssertionError: no"), in_place=True)
    assert [verdict.error for verdict in ledger.verdicts()] == ["AssertionError: no"]


def test_the_verdict_has_what_pytest_marks_where_its_summary_says_nothing() -> None:
    ledger = begun()
    told = "file a.py, line 3\nE       fixture 'nothing' not found\n>       available: cache\n\na.py:3"
    ledger.finish(result(Status.ERROR, Reason.SETUP, error=told), in_place=True)
    assert [verdict.error for verdict in ledger.verdicts()] == ["fixture 'nothing' not found"]


def test_a_test_whose_node_is_lost_starts_again_elsewhere() -> None:
    ledger = begun()
    events, again = lose(ledger, "its process ended")
    lost = result(Status.ERROR, Reason.NODE_LOST, error="node n1 was lost: its process ended")
    assert (events, again) == ([AttemptFinished(lost)], True)
    assert (ledger.test(KEY).next_attempt, ledger.test(KEY).lost_on, ledger.open) == (2, {"n1"}, 1)


def test_an_attempt_that_was_lost_says_when_it_began_and_how_long_it_ran() -> None:
    now = iter([11.0, 12.0, 17.5])  # sent, begun, lost
    ledger = begun(clock=lambda: next(now))
    ((event,), _) = lose(ledger, "gone")
    assert isinstance(event, AttemptFinished)
    assert (event.result.started_at, event.result.duration) == (12.0, 5.5)


@pytest.mark.parametrize("untold", [Begun.NEXT, Begun.PERHAPS])
def test_a_start_that_was_not_told_uses_up_its_number(untold: Begun) -> None:
    ledger = planned(clock=lambda: 7.0)
    ledger.sent(KEY, "n1")
    events, again = lose(ledger, "gone", untold)
    why = "node n1 was lost: gone; whether this had begun is not known"
    lost = AttemptResult("t", 1, "n1", Status.ERROR, reason=Reason.NODE_LOST, started_at=7.0, error=why)
    assert (events, again) == ([AttemptStarted("t", "", 1, "n1"), AttemptFinished(lost)], True)
    assert (ledger.test(KEY).next_attempt, ledger.test(KEY).is_suspect) == (2, True)


def lose_together(*losses: Mapping[str, bool]) -> dict[str, str]:
    """Tests that are on a node whenever it is lost, with whether each had told its start; those that were closed."""
    ledger = Told().ledger()
    for name in dict.fromkeys(name for loss in losses for name in loss):
        ledger.plan(case(name=name))
    for number, loss in enumerate(losses):
        for name, told in loss.items():
            ledger.sent((name, ""), f"n{number}")
            if told:
                ledger.start((name, ""), ledger.test((name, "")).next_attempt, f"n{number}", "task")
        ledger.lose_node(f"n{number}", {(name, ""): Begun.NEXT for name in loss}, "gone")
    return {event.test_id: str(event.reason) for event in told_by(ledger) if isinstance(event, TestClosed)}


def test_a_test_that_was_alone_on_the_second_node_is_named() -> None:
    assert {"bad": "node_lost"} == lose_together({"bad": True, "a": True}, {"bad": True})


@pytest.mark.parametrize("told", [True, False])
def test_one_that_had_company_at_each_loss_is_named_when_it_was_there_once_more(told: bool) -> None:
    twice = {"bad": True, "a": told}, {"bad": True, "b": told}
    assert {} == lose_together(*twice)
    assert {"bad": "node_lost"} == lose_together(*twice, {"bad": True, "c": told})


def test_of_two_that_were_always_there_none_is_named_until_they_part() -> None:
    both = {"bad": True, "a": True}
    assert {} == lose_together(both, both)
    assert {"bad": "node_lost"} == lose_together(both, both, {"bad": True})


def test_two_that_never_part_have_an_end() -> None:
    both = {"bad": True, "a": True}
    assert {"bad": "node_lost", "a": "node_lost"} == lose_together(both, both, both, both)


def test_a_suspect_that_had_not_said_that_it_began_did_not_begin() -> None:
    assert {} == lose_together({"a": False}, {"a": False}, {"a": False})
    assert {"a": "node_lost"} == lose_together({"a": False}, {"a": True})


def test_a_lost_node_is_no_evidence_against_the_test() -> None:
    ledger = begun()
    lose(ledger, "gone")
    begin(ledger, "n2")
    ledger.finish(result(attempt=2, node="n2"), in_place=True)
    assert list(ledger.verdicts()) == [closed(Status.PASSED, attempts=2, node="n2")]


def test_a_lost_node_uses_up_no_retry() -> None:
    ledger = begun(retries=1)
    lose(ledger, "gone")
    begin(ledger, "n2")
    assert finish(ledger, result(Status.FAILED, attempt=2, node="n2"))[1] is Next.RETRY_THERE


def test_a_test_that_had_not_begun_has_no_attempt_to_lose() -> None:
    ledger = planned()
    ledger.sent(KEY, "n1")
    assert lose(ledger, "gone") == ([], True)
    assert (ledger.test(KEY).next_attempt, ledger.test(KEY).lost_on) == (1, frozenset())


def test_a_node_lost_between_two_attempts_loses_none() -> None:
    ledger = begun(retries=1)
    ledger.finish(result(Status.FAILED), in_place=True)
    assert lose(ledger, "gone") == ([], True)
    assert ledger.test(KEY).next_attempt == 2


def test_a_test_that_loses_two_nodes_is_named_as_what_kills_them() -> None:
    ledger = begun()
    lose(ledger, "gone")
    begin(ledger, "n2")
    events, again = lose(ledger, "killed")
    text = "2 nodes were lost while this test ran on them; it is probably what kills them (killed)"
    assert (events[-1], again) == (closed(Status.ERROR, Reason.NODE_LOST, 2, "n2", error=text), False)
    assert (ledger.open, ledger.failures) == (0, 0)


def test_a_closed_test_loses_nothing_with_its_node() -> None:
    ledger = begun()
    ledger.finish(result(), in_place=True)
    assert lose(ledger, "gone") == ([], False)


def test_a_late_result_of_a_lost_attempt_is_kept_and_not_counted() -> None:
    ledger = begun()
    lose(ledger, "gone")
    assert finish(ledger, result()) == ([AttemptFinished(result())], Next.NOTHING)
    begin(ledger, "n2")
    ledger.finish(result(Status.FAILED, attempt=2, node="n2"), in_place=True)
    assert finish(ledger, result()) == ([AttemptFinished(result())], Next.NOTHING)
    assert list(ledger.verdicts()) == [closed(Status.FAILED, Reason.EXIT_CODE, 2, "n2")]


def test_a_late_result_never_takes_the_number_of_another_nodes_attempt() -> None:
    ledger = planned()
    ledger.sent(KEY, "n1")
    lose(ledger, "silent before it said that it had begun")
    begin(ledger, "n2")
    late = finish(ledger, result(node="n1"))
    assert late == ([RunNote("a late result of 't' from n1 does not count: passed")], Next.NOTHING)


def test_a_late_start_is_no_start() -> None:
    ledger = begun()
    lose(ledger, "gone")
    assert start(ledger, 1) == []


@pytest.mark.parametrize("status", [Status.PASSED, Status.SKIPPED])
def test_a_teardown_that_fails_later_amends_the_verdict(status: Status) -> None:
    ledger = begun()
    ledger.finish(result(status), in_place=True)
    late = result(Status.ERROR, Reason.EXCEPTION)
    assert finish(ledger, late) == (
        [AttemptFinished(late), closed(Status.ERROR, Reason.EXCEPTION)],
        Next.NOTHING,
    )
    assert (ledger.open, ledger.failures) == (0, 1)


def test_a_teardown_that_skips_later_amends_the_verdict_of_what_passed() -> None:
    ledger = begun()
    ledger.finish(result(), in_place=True)
    late = result(Status.SKIPPED, Reason.SKIP)
    assert finish(ledger, late) == ([AttemptFinished(late), closed(Status.SKIPPED, Reason.SKIP)], Next.NOTHING)


@pytest.mark.parametrize(
    "late",
    [
        result(Status.PASSED),
        result(Status.FAILED),
        result(Status.ERROR, Reason.CANCELLED),
        result(Status.ERROR, Reason.EXCEPTION, attempt=2),
    ],
)
def test_nothing_else_amends_a_verdict(late: AttemptResult) -> None:
    ledger = begun()
    ledger.finish(result(), in_place=True)
    assert not [event for event in finish(ledger, late)[0] if isinstance(event, TestClosed)]


@pytest.mark.parametrize(
    ("late", "told"),
    [
        (result(Status.FAILED), False),
        (result(Status.FAILED, error="it hangs, and so does its fixture"), True),
        (replace(result(Status.FAILED), warnings=("its artifacts could not be kept",)), True),
        (replace(result(Status.FAILED), output="the last words"), True),
        (
            replace(result(Status.FAILED), pytest_warnings=(PytestWarning("UserWarning", "old", "t.py:3", "runtest"),)),
            True,
        ),
    ],
)
def test_what_becomes_known_later_of_the_last_attempt_is_told_without_another_verdict(
    late: AttemptResult, told: bool
) -> None:
    ledger = begun()
    ledger.finish(result(Status.FAILED), in_place=True)

    assert finish(ledger, late) == ([AttemptFinished(late)] if told else [], Next.NOTHING)


def test_the_time_that_a_test_has_waited_is_not_reckoned_anew_when_it_is_told_again() -> None:
    ledger = begun()
    ledger.begin()
    ledger.finish(replace(result(), queue_seconds=7.0), in_place=True)

    assert ledger.with_queue_time(result(Status.ERROR)).queue_seconds == 7.0


def test_an_item_is_untried_until_an_attempt_of_it_has_ended() -> None:
    ledger = Told().ledger()
    for name in "abc":
        ledger.plan(TestCase(name, PytestItemBody("unit", f"test_a.py::{name}"), max_retries=1))
        ledger.sent((name, ""), "n1", "1")
    assert ledger.untried_items("unit") == {("a", ""), ("b", ""), ("c", "")}

    ledger.finish(result(Status.FAILED, name="a"), in_place=False)
    ledger.close(("b", ""), Reason.CANCELLED, "stopped")
    assert ledger.untried_items("unit") == {("c", "")}
    ledger.lose_node("n1", {("c", ""): Begun.NEXT}, "it was killed")

    assert ledger.untried_items("unit") == ledger.untried_items("other") == frozenset()


def test_a_bad_verdict_is_not_amended() -> None:
    ledger = begun()
    ledger.finish(result(Status.FAILED), in_place=True)
    ledger.finish(result(Status.ERROR, Reason.EXCEPTION), in_place=True)
    assert (list(ledger.verdicts()), ledger.failures) == ([closed(Status.FAILED, Reason.EXIT_CODE)], 1)


def test_a_test_without_a_place_is_closed_without_an_attempt() -> None:
    ledger = planned()
    verdict = closed(Status.ERROR, Reason.UNSATISFIABLE, 0, None, error="no node fits")
    ledger.close(KEY, Reason.UNSATISFIABLE, "no node fits")
    assert told_by(ledger) == [verdict]
    assert (ledger.open, ledger.failures) == (0, 0)


def test_a_test_that_is_closed_while_it_runs_has_had_that_attempt() -> None:
    ledger = begun()
    ledger.close(KEY, Reason.CANCELLED, "stopped")
    (verdict,) = told_by(ledger)
    assert verdict == closed(Status.ERROR, Reason.CANCELLED, 1, None, error="stopped")


def test_a_closed_test_stays_as_it_is() -> None:
    ledger = begun()
    ledger.finish(result(), in_place=True)
    told_by(ledger)
    ledger.close(KEY, Reason.CANCELLED, "stopped")
    assert (told_by(ledger), ledger.is_open(KEY)) == ([], False)


def test_an_entry_that_became_tests_has_no_verdict_of_its_own() -> None:
    ledger = begun()
    ledger.expand(KEY, 3)
    assert told_by(ledger) == [TestExpanded("t", "", 3)]
    assert (ledger.open, ledger.knows(KEY), ledger.is_open(KEY)) == (0, False, False)


def test_messages_about_an_expanded_entry_say_nothing() -> None:
    ledger = begun()
    ledger.expand(KEY, 3)
    assert start(ledger, 2) == []
    assert finish(ledger, result()) == ([], Next.NOTHING)


@pytest.mark.parametrize(
    ("test", "name", "seconds"),
    [
        (TestCase("a", CommandBody(("true",)), duration=2.0), "a", 2.0),
        (TestCase("a", CommandBody(("true",)), name="the first"), "the first", None),
        (TestCase("a", SimulateBody(duration=0.5)), "a", 0.5),
        (TestCase("e::f.py::test_x[1]", PytestItemBody("e", "f.py::test_x[1]")), "test_x[1]", None),
    ],
)
def test_a_plan_has_a_name_and_an_expected_length(test: TestCase, name: str, seconds: float | None) -> None:
    assert (planned_event(test).name, planned_event(test).expected_seconds) == (name, seconds)


def rerun(attempt: int = 1) -> AttemptResult:
    return AttemptResult("t", attempt, "n1", Status.FAILED, reason=Reason.ASSERTION, rerun=True)


def test_an_attempt_that_pytest_made_anew_is_followed_by_the_next_in_the_same_task_run() -> None:
    ledger = planned()
    begin(ledger, task_run="run-1")
    following = AttemptStarted("t", "", 2, "n1", "run-1")
    assert finish(ledger, rerun()) == ([AttemptFinished(rerun()), following], Next.UNDER_WAY)
    assert (ledger.open, ledger.test(KEY).next_attempt, ledger.failures) == (1, 2, 0)


def test_a_pass_after_an_attempt_that_pytest_made_anew_is_flaky() -> None:
    ledger = begun()
    ledger.finish(rerun(), in_place=True)
    ledger.finish(rerun(2), in_place=True)
    assert finish(ledger, result(attempt=3))[1] is Next.CLOSED
    assert list(ledger.verdicts()) == [closed(Status.PASSED, attempts=3, flaky=True)]


def test_an_attempt_that_pytest_made_anew_uses_up_no_retry() -> None:
    ledger = begun(retries=1)
    ledger.finish(rerun(), in_place=False)
    assert ledger.test(KEY).retries_left == 1
    assert finish(ledger, result(Status.FAILED, attempt=2), in_place=False)[1] is Next.RETRY_ALONE
    assert begin(ledger) == [AttemptStarted("t", "", 3, "n1", "task")]
    ledger.finish(rerun(3), in_place=False)
    ledger.finish(result(Status.FAILED, attempt=4), in_place=False)
    assert list(ledger.verdicts()) == [closed(Status.FAILED, Reason.EXIT_CODE, attempts=4)]


def test_a_node_that_is_lost_between_the_attempts_of_a_start_loses_the_one_under_way() -> None:
    ledger = begun()
    ledger.finish(rerun(), in_place=True)
    ((event,), again) = lose(ledger, "gone")
    assert isinstance(event, AttemptFinished)
    assert (event.result.attempt, event.result.reason, again) == (2, Reason.NODE_LOST, True)


def test_what_a_machine_lost_is_tried_again_alone_and_uses_up_no_retry() -> None:
    ledger = begun(retries=1)
    lost = result(Status.ERROR, Reason.NODE_LOST, error="no memory")

    assert finish(ledger, lost) == ([AttemptFinished(lost)], Next.RETRY_ALONE)
    assert (ledger.test(KEY).lost_on, ledger.test(KEY).retries_left, ledger.test(KEY).has_failed) == ({"n1"}, 1, False)

    begin(ledger, "n2")
    ledger.finish(result(attempt=2, node="n2"), in_place=True)
    assert list(ledger.verdicts()) == [closed(Status.PASSED, attempts=2, node="n2")]


def test_what_machines_lose_twice_has_no_verdict_of_its_own() -> None:
    ledger = begun()
    ledger.finish(result(Status.ERROR, Reason.NODE_LOST), in_place=True)
    begin(ledger, "n2")
    lost = result(Status.ERROR, Reason.NODE_LOST, attempt=2, node="n2", error="no memory")

    events, following = finish(ledger, lost)

    expected = closed(Status.ERROR, Reason.NODE_LOST, attempts=2, node="n2", error="no memory")
    assert (events, following) == ([AttemptFinished(lost), expected], Next.CLOSED)
    assert ledger.failures == 0


@pytest.mark.parametrize("nodes_tests", [{}, {KEY: Begun.NO}])
def test_the_end_of_a_node_is_a_loss_unless_it_was_awaited_and_had_nothing(nodes_tests: dict[Key, Begun]) -> None:
    ledger = planned()
    ledger.lose_node("n1", nodes_tests, "it was drained", expected=True)
    assert told_by(ledger) == [NodeLost("n1", "it was drained")] * len(nodes_tests)


def waited(ledger: Ledger, attempt: int = 1, duration: float = 0.0) -> float:
    return ledger.with_queue_time(AttemptResult("t", attempt, "n1", Status.PASSED, duration=duration)).queue_seconds


def test_a_first_attempt_waited_since_the_flow_began() -> None:
    ledger = planned()
    ledger.begin()
    assert waited(ledger) > 0.0


def test_a_further_attempt_in_place_did_not_wait() -> None:
    ledger = planned()
    ledger.begin()
    assert waited(ledger, 2) == 0.0


def test_a_further_attempt_that_was_queued_waited_since_then() -> None:
    ledger = planned()
    ledger.begin()
    ledger.note_ready(KEY)
    assert waited(ledger, 2) > 0.0
    assert waited(ledger, 2) == 0.0


def test_no_test_waits_less_than_nothing() -> None:
    ledger = planned()
    ledger.begin()
    assert waited(ledger, duration=3600.0) == 0.0


def test_before_the_flow_begins_nothing_waits() -> None:
    ledger = planned()
    ledger.note_ready(KEY)
    assert waited(ledger) == 0.0
