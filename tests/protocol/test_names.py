"""Names as Prefect has them."""

from __future__ import annotations

from typing import Any

import pytest

from pulseq.models import Priority, SimulateBody, TestCase
from pulseq.protocol.names import MAX_NAME_CHARACTERS, name_task_run, shown_name


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
