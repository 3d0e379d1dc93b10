"""What may be done next: commands that can be pasted, and only those that lead somewhere."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.cli.next_steps import find_steps
from pulseq.events import Event, PrefectRunKnown, RunFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import Reason, Status
from pulseq.records import RunRecord, fold

RUN = ["run", "shop", "-n", "2"]


def _record(*reasons: Reason | None, exit_code: int = 1) -> RunRecord:
    events: list[Event] = [RunStarted("r1", "shop", 1.0, "0")]
    for number, reason in enumerate(reasons):
        status = Status.PASSED if reason is None else Status.ERROR
        events += [
            TestPlanned(f"t{number}", "", "", "command", "medium"),
            TestClosed(f"t{number}", "", status, reason, False, 1),
        ]
    return fold([*events, RunFinished(2.0, 1.0, exit_code, "")])


def test_after_a_failure_what_failed_can_be_run_again() -> None:
    steps = find_steps(_record(None, Reason.EXIT_CODE), RUN, stored=True)

    assert {"failed": "pulseq run shop -n 2 --lf", "summary": "pulseq summary r1"} == steps


def test_after_success_there_is_nothing_to_mend() -> None:
    assert {"summary": "pulseq summary r1"} == find_steps(_record(None, exit_code=0), RUN, stored=True)


@pytest.mark.parametrize("code", [2, 124])
def test_a_run_that_was_cut_short_can_be_run_again(code: int) -> None:
    steps = find_steps(_record(None, Reason.CANCELLED, exit_code=code), RUN, stored=False)

    assert {"again": "pulseq run shop -n 2"} == steps


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.UNSATISFIABLE])
def test_what_nobody_ran_or_no_node_can_is_no_failure_to_run_again(reason: Reason) -> None:
    assert "failed" not in find_steps(_record(reason), RUN, stored=True)


@pytest.mark.parametrize(
    ("command", "again"),
    [
        ("run", "run --lf"),
        ("run a.yaml --run-id one -x", "run a.yaml -x --lf"),
        ("run a.yaml --run-id=one", "run a.yaml --lf"),
        ("run a.yaml --lf", "run a.yaml --lf"),
        ("run 'a suite.yaml' -- -k 'a or b' --run-id", "run 'a suite.yaml' --lf -- -k 'a or b' --run-id"),
    ],
)
def test_the_command_is_the_one_that_was_given(command: str, again: str) -> None:
    steps = find_steps(_record(Reason.EXIT_CODE), shlex.split(command), stored=False)

    assert {"failed": f"pulseq {again}"} == steps


@pytest.mark.parametrize("option", ["--db other.duckdb", "--db=other.duckdb"])
def test_a_summary_is_looked_for_where_the_results_went(option: str) -> None:
    steps = find_steps(_record(None), ["run", "shop", *option.split()], stored=True)

    assert f"pulseq summary r1 {option}" == steps["summary"]


@pytest.mark.parametrize(
    ("known", "own_server", "left", "told"),
    [(True, False, True, True), (True, True, True, False), (False, False, True, False), (True, False, False, False)],
)
def test_a_prefect_that_lives_on_and_was_told_nothing_is_told_later(
    known: bool, own_server: bool, left: bool, told: bool
) -> None:
    events: list[Event] = [RunStarted("r1", "shop", 1.0, "0", {"own_server": own_server})]
    record = fold([*events, *([PrefectRunKnown("f", None)] if known else [])])

    steps = find_steps(record, RUN, stored=False, left_at_once=left)

    assert ({"Prefect": "pulseq results sync --prefect"} if told else {}) == steps


def test_what_was_no_run_of_the_command_line_or_has_not_begun_has_no_next() -> None:
    assert {} == find_steps(_record(Reason.EXIT_CODE), [], stored=False)
    assert {} == find_steps(RunRecord(), RUN, stored=True)


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=8)))
def test_a_shell_reads_back_what_was_given(words: list[str]) -> None:
    command = ["run", *words]
    steps = find_steps(_record(exit_code=2), command, stored=False)

    if not any(word == "--run-id" or word.startswith("--run-id=") for word in words):
        assert ["pulseq", *command] == shlex.split(steps["again"])
