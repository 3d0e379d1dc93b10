"""What travels between driver and node, and how Prefect sees it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import Priority, SimulateBody, TestCase
from pulseq.orchestration.task_runs import TaskRunInput
from pulseq.protocol.work import MAX_NAME_CHARACTERS, TestWork, name_task_run, shown_name


@pytest.mark.parametrize("name", ["cart-total", "tests/test_a.py (12 tests)", "x" * MAX_NAME_CHARACTERS, "Grüße 😀"])
def test_a_task_run_is_named_as_its_work_is(name: str) -> None:
    work = TestWork(name, TestCase(name, SimulateBody()), 1, 0)

    assert str(TaskRunInput(work, None)) == name


def test_a_name_that_is_too_long_is_cut_where_it_shows() -> None:
    assert shown_name("L" * 1_000_000) == "L" * (MAX_NAME_CHARACTERS - 1) + "…"


def test_half_a_character_is_spelt_out() -> None:
    assert shown_name("a\ud800b") == "a\\ud800b"


@given(st.text(st.characters(), max_size=2 * MAX_NAME_CHARACTERS))
def test_every_name_can_be_sent(name: str) -> None:
    assert len(shown_name(name).encode()) < 10_000


def _case(priority: Priority = Priority.MEDIUM, **labels: object) -> TestCase:
    return TestCase("cart", SimulateBody(), priority=priority, labels=labels)


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        ([_case()], "cart @ node1, medium"),
        ([_case(Priority.CRITICAL, smoke=True, team="web")], "cart @ node1, critical, smoke, team=web"),
        ([_case(Priority.LOW, a=True, b=True), _case(Priority.HIGH, b=True, c=True)], "cart @ node1, high, b"),
        ([_case(slow=True, parametrize=True, skipif=True)], "cart @ node1, medium, slow"),
    ],
    ids=["plain", "labels", "pack", "marks"],
)
def test_the_name_of_a_task_run_says_where_and_what(cases: list[TestCase], told: str) -> None:
    assert told == name_task_run("cart", "node1", cases)


def test_the_name_of_a_task_run_without_a_node_says_so() -> None:
    assert "cart @ no node, high" == name_task_run("cart", None, [_case(Priority.HIGH)])


@given(
    st.text(min_size=1, max_size=2 * MAX_NAME_CHARACTERS),
    st.text(min_size=1, max_size=50),
    st.dictionaries(st.text(max_size=20), st.just(True) | st.text(max_size=300), max_size=9),
    st.sampled_from(Priority),
)
def test_node_and_priority_are_in_the_name_however_long_the_rest_is(
    tests: str, node: str, labels: dict[str, object], priority: Priority
) -> None:
    name = name_task_run(tests, node, [_case(priority, **labels)])

    assert len(name) <= MAX_NAME_CHARACTERS
    assert f" @ {node}, {priority.word}" in name
    assert name.startswith(tests[: MAX_NAME_CHARACTERS // 2 - 4])


def case(priority: Priority = Priority.MEDIUM, **labels: Any) -> TestCase:
    return TestCase("t", SimulateBody(), priority=priority, labels=labels)


@pytest.mark.parametrize(
    ("node", "cases", "name"),
    [
        ("node1", [case(Priority.CRITICAL, smoke=True)], "cart @ node1, critical, smoke"),
        (None, [case()], "cart @ no node, medium"),
        ("n", [case(Priority.LOW), case(Priority.HIGH)], "cart @ n, high"),
        ("n", [case(area="shop", owner="me"), case(area="shop", owner="you")], "cart @ n, medium, area=shop"),
        ("n", [case(parametrize=True, skipif=True, slow=True)], "cart @ n, medium, slow"),
    ],
)
def test_a_task_run_is_called_by_its_tests_where_they_run_and_what_all_of_them_are(
    node: str | None, cases: list[TestCase], name: str
) -> None:
    assert name == name_task_run("cart", node, cases)


def test_a_name_that_is_too_long_keeps_its_place() -> None:
    name = name_task_run("x" * 10_000, "node1", [case()])

    assert MAX_NAME_CHARACTERS == len(name)
    assert name.endswith("x… @ node1, medium")


def test_labels_leave_half_of_the_name_to_its_tests() -> None:
    name = name_task_run("x" * 10_000, "n", [case(**{f"label{number}": True for number in range(1000)})])

    assert MAX_NAME_CHARACTERS == len(name)
    assert name.startswith("x" * (MAX_NAME_CHARACTERS // 2 - 10))


def test_what_is_no_text_is_shown_as_its_escape() -> None:
    assert "a\\ud800" == shown_name("a\ud800")
    assert MAX_NAME_CHARACTERS == len(shown_name("x" * 10_000))
